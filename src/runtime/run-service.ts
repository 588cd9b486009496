import { systemClock } from './clock.ts';
import { type Logger, messageOf } from './logger.ts';
import { UserError } from './user-error.ts';

interface Options {
  /** Writes a line for people. */
  say(line: string): void;
  /** The same, for what went wrong. */
  complain(line: string): void;
  readonly logger: Logger;
  /** How long a stop may take, in milliseconds; then the process ends as it is. Unset: for ever. */
  readonly stopWithin?: number;
}

/** A service that runs until it is disposed, or ends by itself with an error. */
interface Service extends AsyncDisposable {
  readonly failed?: Promise<Error>;
}

/** A client that still tries to reach a server that is gone keeps the process alive for no longer than this. */
const LAST_RESORT = 2000;
/** What fails unexpectedly may also hinder the stop: the process ends as it is after so many milliseconds. */
const STOP_AFTER_DEFECT = 30_000;
/** One Ctrl-C may come twice: from the terminal and, right after it, from npm. Milliseconds. */
const SAME_SIGNAL = 300;

/**
 * Runs a service until SIGINT or SIGTERM: the first one stops it gracefully, also in the middle of its start, a second one
 * ends the process at once. An exception that nobody caught stops it as well: what else runs in the process is still to be
 * left in order. Sets the exit code: 0 after a stop that was asked for, 1 after a defect, or when it could not start or stop.
 */
export async function runService(
  start: (signal: AbortSignal) => Promise<Service>,
  options: Options,
): Promise<void> {
  const { say, logger, stopWithin } = options;
  const stopping = new AbortController();
  let stoppingSince: number | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    const now = systemClock.monotonic();
    stoppingSince ??= now;
    if (now - stoppingSince > SAME_SIGNAL) process.exit(130);
    if (stopping.signal.aborted) return;
    say(`${signal}: stopping (once more ends it at once)`);
    stopping.abort(new Error('stopped'));
    if (stopWithin !== undefined) giveUpAfter(stopWithin, logger);
  };
  const onDefect = (error: unknown) => {
    fail(error, options);
    if (stopping.signal.aborted) return;
    say('stopping after an unexpected error');
    stopping.abort(new Error('stopped by an unexpected error'));
    giveUpAfter(stopWithin ?? STOP_AFTER_DEFECT, logger);
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  // Also what an unhandled rejection ends as. Stays to the end: the stop is not to be cut short by what fails in it.
  process.on('uncaughtException', onDefect);
  try {
    await using service = await start(stopping.signal);
    const failed = service.failed?.then((error) => Promise.reject(error));
    await Promise.race([aborted(stopping.signal), ...(failed ? [failed] : [])]);
  } catch (error) {
    if (!stopping.signal.aborted || error !== stopping.signal.reason) fail(error, options);
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    systemClock.setTimer(() => process.exit(), LAST_RESORT, { unref: true });
  }
}

function giveUpAfter(ms: number, logger: Logger): void {
  const giveUp = () => {
    logger.warn('not everything ended in time: what was on its way may come again');
    process.exit();
  };
  systemClock.setTimer(giveUp, ms, { unref: true });
}

function fail(error: unknown, { complain, logger }: Options): void {
  process.exitCode = 1;
  if (error instanceof UserError) {
    complain(`penstock: ${error.message}`);
    logger.debug('failed', { cause: messageOf(error.cause ?? '') });
  } else {
    complain(`penstock: ${messageOf(error)}`);
    logger.error('failed', { stack: error instanceof Error ? (error.stack ?? '') : '' });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
