import { readFileSync } from 'node:fs';
import { type ClientTls, type ConnectOptions, connect, type Penstock } from '../client/node.ts';
import { systemAuthorities } from '../runtime/certificate-files.ts';
import { messageOf } from '../runtime/logger.ts';
import { pemProblem } from '../runtime/pem.ts';
import type { readCallSettings } from '../runtime/settings.ts';
import { UserError } from '../runtime/user-error.ts';

type CallSettings = ReturnType<typeof readCallSettings>;

/**
 * A client as the settings say.
 * @throws UserError when a file cannot be read, or what it has is no token or certificate, or the address is none
 */
export function connectionOf(settings: CallSettings): Penstock {
  const { PENSTOCK_ADDRESS: address, PENSTOCK_CALL_TIMEOUT_SEC: seconds } = settings;
  const timeoutMs = seconds === 0 ? undefined : seconds * 1000;
  const options: ConnectOptions = { address, timeoutMs, token: tokenOf(settings), tls: tlsOf(settings) };
  try {
    return connect(options);
  } catch (cause) {
    throw new UserError(`--address (PENSTOCK_ADDRESS): ${messageOf(cause)}`, { cause });
  }
}

/** Whether the port is called with TLS: files for it say so, too. */
export const isOverTls = (settings: CallSettings): boolean =>
  settings.PENSTOCK_CALL_TLS ||
  settings.PENSTOCK_CALL_CA_FILE !== '' ||
  settings.PENSTOCK_CALL_CERT_FILE !== '' ||
  settings.PENSTOCK_CALL_KEY_FILE !== '';

function tokenOf({ PENSTOCK_TOKEN, PENSTOCK_TOKEN_FILE }: CallSettings): string | undefined {
  const isFile = PENSTOCK_TOKEN_FILE !== '';
  const token = isFile ? contentOf(PENSTOCK_TOKEN_FILE, '--token-file').trim() : PENSTOCK_TOKEN;
  if (!isFile && token === '') return undefined;
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  const place = isFile ? `--token-file ${PENSTOCK_TOKEN_FILE}` : 'PENSTOCK_TOKEN';
  throw new UserError(`${place}: a token is one word of printable ASCII`);
}

function tlsOf(settings: CallSettings): ClientTls | undefined {
  if (!isOverTls(settings)) return undefined;
  const {
    PENSTOCK_CALL_CA_FILE: caFile,
    PENSTOCK_CALL_CERT_FILE: certFile,
    PENSTOCK_CALL_KEY_FILE: keyFile,
  } = settings;
  if ((certFile === '') !== (keyFile === '')) {
    throw new UserError('--cert and --key go together: give the one that is missing');
  }
  const ca = caFile === '' ? undefined : pemIn({ ca: contentOf(caFile, '--ca') }, `--ca ${caFile}`).ca;
  const own = certFile !== '' && {
    cert: contentOf(certFile, '--cert'),
    key: contentOf(keyFile, '--key'),
  };
  return {
    ca: ca ?? systemAuthorities().join('\n'),
    ...(own && pemIn(own, `--cert ${certFile} and --key ${keyFile}`)),
  };
}

function pemIn<P extends ClientTls>(pem: P, place: string): P {
  const problem = Object.values(pem).includes('')
    ? 'there is nothing in it'
    : pemProblem({ ...pem } as object);
  if (problem !== undefined) throw new UserError(`${place}: ${problem}`);
  return pem;
}

function contentOf(path: string, option: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new UserError(`${option} cannot be read: ${messageOf(cause)}`, { cause });
  }
}
