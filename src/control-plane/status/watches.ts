import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { failed } from '../../rpc/error.ts';
import type { Clock } from '../../runtime/clock.ts';

/** Each watch asks PostgreSQL twice a second, and remembers of each integration what it has sent. */
const MAX_WATCHES = 50;
const INTERVAL = 500;
/** Much less than a deletion is remembered for. */
const MAX_ABSENCE = 600_000;

/** The streams of this node that watch something: bounded in number, each cut when its caller does not read. */
export class Watches {
  readonly #clock: Clock;
  #open = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Whatever `poll` yields, over and over, until the signal aborts.
   * @throws RpcError RESOURCE_EXHAUSTED when there are too many watches, or what was yielded was not taken for minutes
   */
  async *watch<T>(poll: () => AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
    if (this.#open >= MAX_WATCHES) {
      const text = `this node serves ${MAX_WATCHES} watches already: end one, or ask another node`;
      throw failed(Code.RESOURCE_EXHAUSTED, 'TOO_MANY_WATCHES', text);
    }
    this.#open++;
    try {
      for (;;) {
        const begun = this.#clock.monotonic();
        yield* poll();
        if (this.#clock.monotonic() - begun > MAX_ABSENCE) throw tooSlow();
        await this.#clock.sleep(INTERVAL, signal);
      }
    } finally {
      this.#open--;
    }
  }
}

function tooSlow() {
  const text = 'what was sent was not read for minutes: read faster, or set a filter; then watch again';
  return failed(Code.RESOURCE_EXHAUSTED, 'SLOW_READER', text);
}
