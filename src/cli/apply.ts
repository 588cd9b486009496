import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { PenstockError } from '../client/node.ts';
import { messageOf } from '../runtime/logger.ts';
import { readCallSettings } from '../runtime/settings.ts';
import { UserError } from '../runtime/user-error.ts';
import { apply, inTurn, planned } from '../yaml/apply.ts';
import type { Step } from '../yaml/plan.ts';
import { integrationsIn, type Problem } from '../yaml/read-integrations.ts';
import { connectionOf, isOverTls } from './connection.ts';
import { type Called, failureText, plain } from './failure.ts';
import { type Print, printing } from './printer.ts';
import { textOn } from './request.ts';
import { APPLY_USAGE, type ApplyOptions, parseApplyOptions } from './yaml-options.ts';

interface Deps {
  readonly out: Writable;
  readonly input: AsyncIterable<Uint8Array>;
}

/**
 * `penstock apply`: makes integrations as a file of YAML says, and prints what each document comes to and what became of it.
 * @throws UserError when a document is wrong, then nothing is done, or something of it was refused
 */
export async function runApply(args: readonly string[], { out, input }: Deps): Promise<void> {
  await printing(out, async (print) => {
    const options = parseApplyOptions(args);
    if (options.help) return print(APPLY_USAGE);
    const text = options.file === '-' ? await textOn(input) : await textIn(options.file);
    await applyText(text, options, print);
  });
}

async function textIn(file: string): Promise<string> {
  try {
    return await textOn(createReadStream(file), file);
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    throw new UserError(`${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

type Doable = Exclude<Step, { kind: 'wrong' }>;

async function applyText(text: string, { file, isDry, given }: ApplyOptions, print: Print): Promise<void> {
  const name = file === '-' ? 'stdin' : file;
  const texts = [...integrationsIn(text)];
  if (texts.length === 0) throw new UserError(`there is no integration in ${name}`);
  const unread = texts.flatMap(({ problems }) => problems);
  if (unread.length > 0) throw nothingDone(name, unread);
  const settings = readCallSettings(given);
  using penstock = connectionOf(settings);
  const { integrations: calls } = penstock;
  const called = { address: settings.PENSTOCK_ADDRESS, isTls: isOverTls(settings), request: 'Integration' };
  const steps = await planned(texts, calls).catch((error: unknown) => {
    throw error instanceof PenstockError
      ? new UserError(failureText(error, called), { cause: error })
      : error;
  });
  const wrong = steps.flatMap((step) => (step.kind === 'wrong' ? step.problems : []));
  if (wrong.length > 0) throw nothingDone(name, wrong);
  const doable = steps.filter((step): step is Doable => step.kind !== 'wrong');
  const { tell, close } = tolerant(print);
  for (const step of doable) await tell(planLine(step));
  const refusals: string[] = [];
  const work = doable.filter(({ kind }) => kind !== 'same');
  await inTurn(work, async (step) => {
    try {
      const { done, id } = await apply(step, calls, { requestId: randomUUID(), validateOnly: isDry });
      if (!isDry) await tell(`${done.padEnd(7)} ${nameOf(step)}${id === '' ? '' : ` (${id})`}`);
    } catch (error) {
      if (!(error instanceof PenstockError)) throw error;
      refusals.push(`${nameOf(step)}: ${refusalText(error, step, name, called)}`);
    }
  });
  const left = isDry ? 'nothing was done' : `${work.length - refusals.length} of ${work.length} done`;
  if (refusals.length > 0) throw new UserError(`${left}:\n${refusals.join('\n')}`);
  await tell(isDry ? 'nothing was done (--dry-run)' : left);
  close();
}

/** Prints as long as somebody reads: what is under way goes on without. `close` throws what kept it from being printed. */
function tolerant(print: Print): { readonly tell: Print; readonly close: () => void } {
  const failures: unknown[] = [];
  return {
    tell: async (line) => {
      if (failures.length === 0) await print(line).catch((error: unknown) => void failures.push(error));
    },
    close: () => {
      if (failures.length > 0) throw failures[0];
    },
  };
}

const nameOf = ({ integration }: Doable): string => JSON.stringify(integration.name);

function planLine(step: Doable): string {
  const what = `${step.kind.padEnd(7)} ${nameOf(step)}`;
  if (step.kind === 'create') return what;
  const paths = step.kind === 'change' ? `: ${step.paths.join(', ')}` : '';
  return `${what} (${step.stored.id})${paths}`;
}

const nothingDone = (file: string, problems: readonly Problem[]): UserError =>
  new UserError(`nothing was done:\n${problems.map((one) => problemLine(file, one)).join('\n')}`);

const problemLine = (file: string, { line, column, path, description }: Problem): string =>
  plain(`  ${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${description}`);

/** What is wrong with fields is told at their lines. */
function refusalText(error: PenstockError, { text }: Doable, file: string, called: Called): string {
  const { violations } = error;
  if (violations.length === 0) return failureText(error, called);
  const lines = violations.map(({ path, description }) => problemLine(file, text.at(path, description)));
  return `INVALID_ARGUMENT\n${lines.join('\n')}`;
}
