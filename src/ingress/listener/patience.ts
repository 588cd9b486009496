import type { CancelTimer, Clock } from '../../runtime/clock.ts';
import { ReasonCode } from './protocol.ts';

/** Why there is none left; an `EndReason`. */
export type Impatience = 'no-connect' | 'keep-alive' | 'packet-timeout';

interface Deps {
  readonly clock: Clock;
  /** How long a client may take to its CONNECT, in milliseconds. */
  readonly connectTimeout: number;
  /** How long a client may take from the first byte of a packet to its last, in milliseconds. */
  readonly packetTimeout: number;
  onEnd(why: Impatience, reasonCode?: ReasonCode): void;
}

/** How long a connection waits for its client: for the CONNECT, then for any packet, and for the end of one that has begun. */
export class Patience {
  readonly #deps: Deps;
  /** Milliseconds without a packet; unset: without end. */
  #keepAlive: number | undefined;
  /** By the monotonic clock, as all times here. */
  #lastPacket = 0;
  #packetBegan: number | undefined;
  #isHeldUp = false;
  /** When the timer falls due; unset: there is none. */
  #due: number | undefined;
  #cancelTimer: CancelTimer;

  constructor(deps: Deps) {
    this.#deps = deps;
    const onLate = () => deps.onEnd('no-connect');
    this.#cancelTimer = deps.clock.setTimer(onLate, deps.connectTimeout, { unref: true });
  }

  /** The client is connected; `keepAlive` in seconds, 0: none. */
  connected(keepAlive: number): void {
    this.#cancelTimer();
    if (keepAlive > 0) this.#keepAlive = keepAlive * 1500;
    this.#arm();
  }

  /** A whole packet has come. */
  packetCame(): void {
    this.#lastPacket = this.#deps.clock.monotonic();
    this.#packetBegan = undefined;
  }

  /** All packets that came are handled but one that is not whole: that has so long from when it began. */
  packetBegan(): void {
    if (this.#packetBegan !== undefined) return;
    this.#packetBegan = this.#deps.clock.monotonic();
    this.#arm();
  }

  /** Whether the client is not read from at the moment: its silence is ours. When it is again, its time begins anew. */
  heldUp(isHeldUp: boolean): void {
    if (isHeldUp === this.#isHeldUp) return;
    this.#isHeldUp = isHeldUp;
    if (!isHeldUp) this.#beginAnew();
  }

  cancel(): void {
    this.#cancelTimer();
    this.#due = undefined;
  }

  get #silenceEnds(): number {
    return this.#keepAlive === undefined ? Infinity : this.#lastPacket + this.#keepAlive;
  }

  get #packetEnds(): number {
    return this.#packetBegan === undefined ? Infinity : this.#packetBegan + this.#deps.packetTimeout;
  }

  /** One timer, for what falls due first. What falls due later by now is found out when it rings. */
  #arm(): void {
    const { clock } = this.#deps;
    const due = Math.min(this.#silenceEnds, this.#packetEnds);
    if (due === Infinity || due >= (this.#due ?? Infinity)) return;
    this.cancel();
    this.#due = due;
    const wait = Math.max(0, due - clock.monotonic());
    this.#cancelTimer = clock.setTimer(() => this.#ring(), wait, { unref: true });
  }

  #ring(): void {
    const { clock, onEnd } = this.#deps;
    const now = clock.monotonic();
    this.#due = undefined;
    if (this.#isHeldUp) this.#beginAnew();
    if (now >= this.#silenceEnds) onEnd('keep-alive', ReasonCode.KEEP_ALIVE_TIMEOUT);
    else if (now >= this.#packetEnds) onEnd('packet-timeout', ReasonCode.IMPLEMENTATION_SPECIFIC_ERROR);
    else this.#arm();
  }

  #beginAnew(): void {
    this.#lastPacket = this.#deps.clock.monotonic();
    if (this.#packetBegan !== undefined) this.#packetBegan = this.#lastPacket;
  }
}
