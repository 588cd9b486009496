import type { Clock } from './clock.ts';
import { LogRate } from './log-rate.ts';

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

/** Of a text in a line, in characters: strangers choose some of them. */
const MAX_TEXT = 1000;
const MAX_STACK = 8000;

/**
 * Writes one JSON object a line, of level `level` and above. Lines are bounded, and above debug also how many of one message
 * are written in a second; then a line says how many were left out.
 */
export function createLogger(
  level: LogLevel,
  clock: Clock,
  write: (line: string) => void,
  fields: LogFields = {},
  rate = new LogRate(clock),
): Logger {
  const line = (at: LogLevel, message: string, more?: LogFields) => {
    const time = new Date(clock.now()).toISOString();
    write(`${JSON.stringify({ time, level: at, message, ...more }, bounded)}\n`);
  };
  // Told with the next line, whoever writes it: without the fields of that one.
  const leftOut = (of: string, count: number) => line('warn', 'log lines were left out', { of, count });
  const log = (at: LogLevel) =>
    LEVELS.indexOf(at) < LEVELS.indexOf(level)
      ? () => {}
      : (message: string, more?: LogFields) => {
          if (at === 'debug' || rate.admits(message, leftOut)) line(at, message, { ...fields, ...more });
        };
  return {
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    with: (more) => createLogger(level, clock, write, { ...fields, ...more }, rate),
  };
}

function bounded(name: string, value: unknown): unknown {
  const length = name === 'stack' ? MAX_STACK : MAX_TEXT;
  return typeof value === 'string' && value.length > length ? `${value.slice(0, length)}…` : value;
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
