import type { WatchMessagesResponse } from '../../../../src/client/contract.ts';

/** A response comes every 5 seconds: after this the stream is cut. */
const SILENCE = 12_000;
const PAUSE = 3000;
/** Then somebody is asked whether anybody looks. */
const LONGEST = 15 * 60_000;

export type FollowState =
  | { readonly state: 'connecting' | 'live' | 'hidden' | 'asking' }
  | { readonly state: 'down'; readonly error: unknown };

interface FollowerDeps {
  watch(signal: AbortSignal): AsyncIterable<WatchMessagesResponse>;
  now(): number;
  /** Calls back once, later. Answers what cancels it. */
  later(callback: () => void, ms: number): () => void;
  onResponse(response: WatchMessagesResponse): void;
  /** Nobody followed between these times. */
  onGap(from: number, to: number): void;
  onState(state: FollowState): void;
}

/** Follows a stream as long as somebody looks, and no longer than a quarter of an hour without being asked to. */
export class Follower {
  readonly #deps: FollowerDeps;
  #over: AbortController | undefined;
  #cancelAsking: () => void = () => {};
  /** When it was last told something. */
  #heard: number | undefined;
  #isHidden = false;
  #isAsking = false;

  constructor(deps: FollowerDeps) {
    this.#deps = deps;
  }

  /** Somebody is there, and wants it. */
  begin(): void {
    this.#isAsking = false;
    this.#cancelAsking();
    this.#cancelAsking = this.#deps.later(() => {
      this.#isAsking = true;
      this.#stop();
      this.#deps.onState({ state: 'asking' });
    }, LONGEST);
    if (!this.#isHidden) this.#start();
  }

  /** Whether the page is out of sight: then nothing is followed. */
  hide(isHidden: boolean): void {
    if (this.#isHidden === isHidden) return;
    this.#isHidden = isHidden;
    if (this.#isAsking) return;
    if (!isHidden) {
      this.begin();
      return;
    }
    this.#stop();
    this.#deps.onState({ state: 'hidden' });
  }

  end(): void {
    this.#cancelAsking();
    this.#stop();
  }

  #stop(): void {
    this.#over?.abort();
    this.#over = undefined;
  }

  #start(): void {
    this.#stop();
    const over = new AbortController();
    this.#over = over;
    void this.#run(over.signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { onState, later } = this.#deps;
    while (!signal.aborted) {
      onState({ state: 'connecting' });
      try {
        await this.#follow(signal);
        throw new Error('the stream ended');
      } catch (error) {
        if (signal.aborted) return;
        onState({ state: 'down', error });
      }
      await new Promise<void>((resolve) => {
        const cancel = later(resolve, PAUSE);
        signal.addEventListener('abort', () => {
          cancel();
          resolve();
        });
      });
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { watch, later, now, onResponse, onGap, onState } = this.#deps;
    const silence = new AbortController();
    const fall = () => silence.abort(new Error('the server says nothing more'));
    let cancel = later(fall, SILENCE);
    const before = this.#heard;
    let isFirst = true;
    try {
      for await (const response of watch(AbortSignal.any([signal, silence.signal]))) {
        if (signal.aborted) return;
        cancel();
        cancel = later(fall, SILENCE);
        if (isFirst && before !== undefined) onGap(before, now());
        isFirst = false;
        this.#heard = now();
        onResponse(response);
        if (response.live) onState({ state: 'live' });
      }
    } finally {
      cancel();
    }
  }
}
