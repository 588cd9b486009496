import type { TestContext } from 'node:test';
import type { CallOptions } from '../../src/rpc/grpcjs.ts';

/** What a stream has sent so far, and its end; cancelled after the test. */
export interface Collected<T> {
  readonly got: T[];
  /** The error that it ended with; undefined: it ended without. */
  readonly ended: Promise<unknown>;
  stop(): void;
}

/** Reads a stream of a server all the time. */
export function collect<T>(t: TestContext, open: (options: CallOptions) => AsyncIterable<T>): Collected<T> {
  const got: T[] = [];
  const cancelling = new AbortController();
  const read = async () => {
    for await (const message of open({ signal: cancelling.signal })) got.push(message);
  };
  const ended = read().then(
    () => undefined,
    (error: unknown) => error,
  );
  const stop = () => cancelling.abort(new Error('read enough'));
  t.after(async () => {
    stop();
    await ended;
  });
  return { got, ended, stop };
}
