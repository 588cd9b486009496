import { parseArgs } from 'node:util';
import { messageOf } from '../runtime/logger.ts';
import type { SettingName } from '../runtime/settings.ts';
import { UserError } from '../runtime/user-error.ts';

export const CALL_USAGE = `penstock call METHOD [JSON | -] [options]

Calls a method of the API over gRPC, and prints the answer as JSON: one answer indented, of a stream each message on a line.

  METHOD              such as ListIntegrations, IntegrationService/ListIntegrations or
                      penstock.v1.IntegrationService/ListIntegrations
  JSON                the request; - reads it from stdin, 16 MiB at most; none = {}.
                      The process list shows arguments: give what is secret through stdin

Options
  --list              every method, and what it is for
  --address HOST:PORT where the gRPC port is (PENSTOCK_ADDRESS, 127.0.0.1:9090)
  --token-file FILE   a file with the token to show, or the token in PENSTOCK_TOKEN; never as an argument, which
                      the process list shows. Without TLS it can be read on its way (PENSTOCK_TOKEN_FILE)
  --tls               the port speaks TLS (PENSTOCK_CALL_TLS=true); so do --ca and --cert say
  --ca FILE           the authorities that signed its certificate, in PEM (PENSTOCK_CALL_CA_FILE, those of the system)
  --cert FILE         the certificate to show, in PEM (PENSTOCK_CALL_CERT_FILE), and
  --key FILE          its private key (PENSTOCK_CALL_KEY_FILE)
  --timeout SECONDS   how long the call may take (PENSTOCK_CALL_TIMEOUT_SEC, 30; a stream has no end)
  --help              this text

The exit code is 0 when it is answered, or the stream has ended; 1 when not, with the reason on stderr. Ctrl-C ends a call as it
ends any program: shells show 130. Nothing is tried again by itself.`;

/** The setting that an option stands for. */
const SETTING_OF = {
  address: 'PENSTOCK_ADDRESS',
  'token-file': 'PENSTOCK_TOKEN_FILE',
  tls: 'PENSTOCK_CALL_TLS',
  ca: 'PENSTOCK_CALL_CA_FILE',
  cert: 'PENSTOCK_CALL_CERT_FILE',
  key: 'PENSTOCK_CALL_KEY_FILE',
  timeout: 'PENSTOCK_CALL_TIMEOUT_SEC',
} as const satisfies Record<string, SettingName>;

export interface CallOptions {
  readonly help: boolean;
  readonly list: boolean;
  /** Unset: none is named. */
  readonly method: string | undefined;
  /** The request as it was written, `-` for stdin. Unset: none is given. */
  readonly data: string | undefined;
  /** Settings that were given as options. */
  readonly given: Partial<Record<SettingName, string>>;
}

/** @throws UserError when an option is not known or lacks its value, or there is too much */
export function parseCallOptions(args: readonly string[]): CallOptions {
  try {
    const { values, positionals } = parsed(args);
    const [method, data, ...more] = positionals;
    if (values.token !== undefined) {
      throw new Error(
        'the process list would show a token: put it into PENSTOCK_TOKEN, or into --token-file',
      );
    }
    if (more.length > 0) {
      throw new Error(
        `after ${method} there is one JSON at most: put it into single quotes, or give - and stdin`,
      );
    }
    const given: Partial<Record<SettingName, string>> = {};
    for (const [option, setting] of Object.entries(SETTING_OF)) {
      const value = values[option as keyof typeof SETTING_OF];
      if (value !== undefined) given[setting] = String(value);
    }
    return { help: values.help ?? false, list: values.list ?? false, method, data, given };
  } catch (error) {
    throw new UserError(`${messageOf(error)} (penstock call --help)`, { cause: error });
  }
}

const parsed = (args: readonly string[]) =>
  parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      list: { type: 'boolean' },
      address: { type: 'string' },
      token: { type: 'string' },
      'token-file': { type: 'string' },
      tls: { type: 'boolean' },
      ca: { type: 'string' },
      cert: { type: 'string' },
      key: { type: 'string' },
      timeout: { type: 'string' },
    },
  });
