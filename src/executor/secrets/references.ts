import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { normalize, sep } from 'node:path';
import { clone } from '@bufbuild/protobuf';
import { type Integration, IntegrationSchema } from '../../../gen/penstock/v1/integration_pb.ts';
import { secretPlaces } from '../../contract/secrets.ts';
import type { FieldViolation } from '../../contract/validate.ts';
import { violationsOf } from '../../contract/validate.ts';
import type { Clock } from '../../runtime/clock.ts';
import { timeoutSignal } from '../../runtime/deadline.ts';
import { messageOf } from '../../runtime/logger.ts';
import { untilAborted } from '../../runtime/until-aborted.ts';

/** The whole of a secret that only says where it is. */
const REFERENCE = /^\$\{(env|file):([^{}]*)\}$/;
/** The largest secret there is: a private key. In bytes. */
const MAX_BYTES = 65_536;
/** How long all files of an integration may take to be read, in milliseconds: they may lie on another machine. */
const READ_DEADLINE = 5000;

const PREFIX = 'PENSTOCK_SECRET_ENV_PREFIX';
const DIRECTORY = 'PENSTOCK_SECRET_FILES_DIR';

/** Where integrations may refer to. */
export interface SecretSources {
  /** What variables begin with. */
  readonly envPrefix: string;
  /** The directory of the files; empty: there is none. */
  readonly filesDir: string;
  /** What a variable of the environment is. */
  variable(name: string): string | undefined;
}

/**
 * A copy of the integration in which the secrets that are `${env:NAME}` or `${file:/path}` are what they refer to, as it is
 * now. What cannot be had, or breaks the rules of its field, is told with its path. All of them have one deadline, which
 * the signal ends.
 */
export async function resolveReferences(
  integration: Integration,
  sources: SecretSources,
  clock: Clock,
  signal: AbortSignal,
): Promise<{ readonly integration: Integration; readonly violations: readonly FieldViolation[] }> {
  const copy = clone(IntegrationSchema, integration);
  const references = secretPlaces(IntegrationSchema, copy).flatMap(({ path, message, field }) => {
    const [reference, kind, name] = REFERENCE.exec(String(message.get(field))) ?? [];
    const isOne = reference !== undefined && kind !== undefined && name !== undefined;
    return isOne ? [{ path, message, field, reference, kind, name }] : [];
  });
  if (references.length === 0) return { integration: copy, violations: [] };
  const violations: FieldViolation[] = [];
  using deadline = timeoutSignal(clock, READ_DEADLINE, 'reading secrets', signal);
  const distinct = [...new Map(references.map((one) => [one.reference, one])).values()];
  const reads = distinct.map(({ kind, name }) => referredBy(kind, name, sources, deadline.signal));
  const settled = await Promise.allSettled(reads);
  const found = new Map(distinct.map(({ reference }, i) => [reference, settled[i]!]));
  for (const { path, message, field, reference } of references) {
    const read = found.get(reference)!;
    if (read.status === 'fulfilled') message.set(field, read.value);
    else violations.push({ field: path, description: messageOf(read.reason), reason: 'SECRET_REFERENCE' });
  }
  // What stands in the integration keeps the rules; what it refers to may not.
  if (violations.length === 0) violations.push(...violationsOf(IntegrationSchema, copy));
  return { integration: copy, violations };
}

async function referredBy(
  kind: string,
  name: string,
  sources: SecretSources,
  signal: AbortSignal,
): Promise<string> {
  if (kind === 'env') return variableOf(name, sources);
  return await untilAborted(fileOf(name, sources), signal).catch((cause: unknown) => {
    if (!signal.aborted) throw cause;
    throw new Error(`refers to ${name}, which the executor could not read in time: see why its disk hangs`);
  });
}

function variableOf(name: string, { envPrefix, variable }: SecretSources): string {
  if (!name.startsWith(envPrefix)) {
    throw new Error(
      `refers to a variable that does not begin with ${envPrefix} (${PREFIX} of the executor): rename it, or have that setting changed`,
    );
  }
  const value = variable(name);
  if (value !== undefined && value !== '') return value;
  throw new Error(`refers to ${name}, which is not set on the executor: set it there`);
}

async function fileOf(path: string, { filesDir }: SecretSources): Promise<string> {
  if (filesDir === '') {
    throw new Error(`refers to a file, but ${DIRECTORY} is not set on the executor: set it there`);
  }
  const outside = new Error(
    `refers to a file that is not in ${filesDir} (${DIRECTORY} of the executor): put it there, or have that setting changed`,
  );
  const directory = await realpath(filesDir).catch((cause: unknown) => {
    throw new Error(`${DIRECTORY} of the executor (${filesDir}) cannot be used: ${messageOf(cause)}`);
  });
  const isInside = (file: string) => [directory, normalize(filesDir)].some((one) => isBelow(file, one));
  // Before it is looked for: whether there is a file elsewhere is nobody's business.
  if (!isInside(normalize(path))) throw outside;
  const real = await realpath(path).catch(() => {
    throw new Error(`refers to ${path}, which is not there on the executor: put it there`);
  });
  if (!isBelow(real, directory)) throw outside; // by a link
  return readText(real, path);
}

/** Of paths without links. */
export const isBelow = (file: string, directory: string) => file.startsWith(directory.replace(/\/?$/, sep));

async function readText(real: string, path: string): Promise<string> {
  // A pipe without a writer, which is no file of a secret, would hold up whoever opens it.
  const file = await open(real, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    throw new Error(`refers to ${path}, which the executor cannot read: ${messageOf(cause)}`);
  });
  try {
    return textOf(await bytesOf(file), path);
  } finally {
    await file.close();
  }
}

/** As many as there may be, and one more where there are more. Undefined: it is no file. */
async function bytesOf(file: FileHandle): Promise<Uint8Array | undefined> {
  if (!(await file.stat()).isFile()) return undefined;
  const bytes = new Uint8Array(MAX_BYTES + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length);
    length += bytesRead;
    if (bytesRead === 0 || length === bytes.length) return bytes.subarray(0, length);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array | undefined, path: string): string {
  if (bytes === undefined) throw new Error(`refers to ${path}, which is no file: name one`);
  if (bytes.length > MAX_BYTES) {
    throw new Error(`refers to ${path}, which has more than ${MAX_BYTES} bytes: that is no secret`);
  }
  let text: string;
  try {
    text = utf8.decode(bytes).replace(/\r?\n$/, '');
  } catch {
    throw new Error(`refers to ${path}, which is no UTF-8 text: secrets are text`);
  }
  if (text === '') throw new Error(`refers to ${path}, which is empty: put the secret into it`);
  return text;
}
