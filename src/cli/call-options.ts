import { parseArgs } from 'node:util';
import { messageOf } from '../runtime/logger.ts';
import { UserError } from '../runtime/user-error.ts';
import { CONNECTION_HELP, CONNECTION_OPTIONS, type Given, givenSettings } from './connection-options.ts';

export const CALL_USAGE = `penstock call METHOD [JSON | -] [options]

Calls a method of the API over gRPC, and prints the answer as JSON: one answer indented, of a stream each message on a line.

  METHOD              such as ListIntegrations, IntegrationService/ListIntegrations or
                      penstock.v1.IntegrationService/ListIntegrations
  JSON                the request; - reads it from stdin, 16 MiB at most; none = {}.
                      The process list shows arguments: give what is secret through stdin

Options
  --list              every method, and what it is for
${CONNECTION_HELP}
  --timeout SECONDS   how long the call may take (PENSTOCK_CALL_TIMEOUT_SEC, 30; a stream has no end)
  --help              this text

The exit code is 0 when it is answered, or the stream has ended; 1 when not, with the reason on stderr. Ctrl-C ends a call as it
ends any program: shells show 130. Nothing is tried again by itself.`;

export interface CallOptions {
  readonly help: boolean;
  readonly list: boolean;
  /** Unset: none is named. */
  readonly method: string | undefined;
  /** The request as it was written, `-` for stdin. Unset: none is given. */
  readonly data: string | undefined;
  /** Settings that were given as options. */
  readonly given: Given;
}

/** @throws UserError when an option is not known or lacks its value, or there is too much */
export function parseCallOptions(args: readonly string[]): CallOptions {
  try {
    const { values, positionals } = parsed(args);
    const [method, data, ...more] = positionals;
    const given = givenSettings(values);
    if (more.length > 0) {
      throw new Error(
        `after ${method} there is one JSON at most: put it into single quotes, or give - and stdin`,
      );
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
      ...CONNECTION_OPTIONS,
      list: { type: 'boolean' },
    },
  });
