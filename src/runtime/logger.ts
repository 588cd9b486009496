import type { Clock } from './clock.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Structured log lines. Fields are ids and figures; never payloads, never secrets. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to each line. */
  with(fields: LogFields): Logger;
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** Writes one JSON object a line, of level `level` and above. */
export function createLogger(
  level: LogLevel,
  clock: Clock,
  write: (line: string) => void,
  fields: LogFields = {},
): Logger {
  const log = (at: LogLevel) =>
    LEVELS.indexOf(at) < LEVELS.indexOf(level)
      ? () => {}
      : (message: string, more?: LogFields) =>
          write(
            `${JSON.stringify({ time: new Date(clock.now()).toISOString(), level: at, message, ...fields, ...more })}\n`,
          );
  return {
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    with: (more) => createLogger(level, clock, write, { ...fields, ...more }),
  };
}

/** What an unknown thrown value says, for a log line or a reason. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `: ${messageOf(error.cause)}`;
  // AggregateError (a host name with several addresses) has an empty message of its own.
  const own =
    error instanceof AggregateError && error.message === ''
      ? error.errors.map(messageOf).join('; ')
      : error.message;
  return `${own || error.name}${own.includes(cause.slice(2)) ? '' : cause}`;
}
