import { parseArgs } from 'node:util';
import { messageOf } from '../runtime/logger.ts';
import { UserError } from '../runtime/user-error.ts';
import { CONNECTION_HELP, CONNECTION_OPTIONS, type Given, givenSettings } from './connection-options.ts';

const CONNECTION = `${CONNECTION_HELP}
  --timeout SECONDS   how long each call may take (PENSTOCK_CALL_TIMEOUT_SEC, 30)
  --help              this text`;

export const EXPORT_USAGE = `penstock export ID… | --all [options]

Prints integrations as YAML, each a document: what is set of them, without their secrets.

Options
  --all               every integration, the oldest first
${CONNECTION}

The exit code is 0 when all of it is printed; 1 when not, with the reason on stderr.`;

export const APPLY_USAGE = `penstock apply -f FILE | -f - [options]

Makes integrations as a file of YAML says, each a document: creates those that are not there, and changes what differs in those that
are. A document is about the integration of its id, or else about the only one of its name. What it does not have is unset, secrets
aside: those are kept. Nothing is deleted. When a document is wrong, nothing is done.

Options
  -f, --file FILE     the file; - reads stdin, 16 MiB at most
  --dry-run           checks all of it, and says what would be done, but does nothing
${CONNECTION}

The exit code is 0 when all of it is done; 1 when something is wrong or was refused, with the reasons on stderr.`;

interface YamlOptions {
  readonly help: boolean;
  readonly given: Given;
}

export interface ExportOptions extends YamlOptions {
  readonly all: boolean;
  readonly ids: readonly string[];
}

/** @throws UserError when an option is not known or lacks its value, or it is not said what to export */
export function parseExportOptions(args: readonly string[]): ExportOptions {
  return told('export', () => {
    const options = { ...CONNECTION_OPTIONS, all: { type: 'boolean' } } as const;
    const { values, positionals: ids } = parseArgs({ args: [...args], allowPositionals: true, options });
    const { all = false, help = false } = values;
    if (!help && all === ids.length > 0) throw new Error('name the ids of integrations, or give --all');
    return { help, all, ids, given: givenSettings(values) };
  });
}

export interface ApplyOptions extends YamlOptions {
  /** `-`: stdin. */
  readonly file: string;
  readonly isDry: boolean;
}

/** @throws UserError when an option is not known or lacks its value, or no file is named */
export function parseApplyOptions(args: readonly string[]): ApplyOptions {
  return told('apply', () => {
    const own = { file: { type: 'string', short: 'f' }, 'dry-run': { type: 'boolean' } } as const;
    const { values } = parseArgs({ args: [...args], options: { ...CONNECTION_OPTIONS, ...own } });
    const { file = '', help = false, 'dry-run': isDry = false } = values;
    if (!help && file === '') throw new Error('name a file with -f FILE, or -f - for stdin');
    return { help, file, isDry, given: givenSettings(values) };
  });
}

function told<O>(command: string, parse: () => O): O {
  try {
    return parse();
  } catch (error) {
    throw new UserError(`${messageOf(error)} (penstock ${command} --help)`, { cause: error });
  }
}
