import { Bell } from './bell.ts';

/** Opens a stream that ends when the signal aborts. */
export type Open<T> = (signal: AbortSignal) => AsyncGenerator<T>;

/**
 * What several streams have, as soon as one of them has something: one thing of each at most at a time. A stream is asked for
 * more once what it had is taken. When one fails, all end with its error.
 */
export async function* merged<T>(streams: readonly Open<T>[], signal: AbortSignal): AsyncGenerator<T[]> {
  const over = new AbortController();
  const bell = new Bell();
  let ready: { readonly source: AsyncGenerator<T>; readonly value: T }[] = [];
  // Of each promise one reaction: to race what may wait for days would pile them up.
  const ask = (source: AsyncGenerator<T>) =>
    void source.next().then(
      ({ done, value }) => {
        if (done) return;
        ready.push({ source, value });
        bell.ring();
      },
      (error) => bell.fail(error),
    );
  const ending = AbortSignal.any([signal, over.signal]);
  const sources = streams.map((open) => open(ending));
  try {
    for (const source of sources) ask(source);
    for (;;) {
      await bell.rung(signal);
      const taken = ready;
      ready = [];
      if (taken.length > 0) yield taken.map(({ value }) => value);
      for (const { source } of taken) ask(source);
    }
  } finally {
    over.abort(new Error('nobody watches any more'));
    for (const source of sources) source.return(undefined).catch(() => {}); // whoever waits for it knows already
  }
}
