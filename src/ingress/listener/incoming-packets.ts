import type { Duplex } from 'node:stream';
import type { Waiting } from '../../bus/bus.ts';
import type { ByteLimit } from '../../runtime/byte-limit.ts';
import { type Frame, Framer } from './framer.ts';
import type { Patience } from './patience.ts';
import type { PublishFlow } from './publish-flow.ts';
import type { Turns } from './turns.ts';

/** Packets that a connection handles before it is the turn of others. */
const PACKETS_IN_TURN = 16;

interface Deps {
  readonly inFlightBytes: ByteLimit;
  /** What waits for Kafka, of all that this process sends. */
  readonly waiting: Waiting;
  readonly turns: Turns;
  readonly patience: Patience;
  /** Of the client; undefined: its CONNECT has not come, which does not wait for Kafka. */
  flow(): PublishFlow | undefined;
  handle(frame: Frame): void;
  /** A packet could not be read, or handled. */
  failed(error: unknown): void;
  /** Something came, or was handled. */
  onRead(): void;
  /** The client sends no more, and all that it sent is handled. */
  onEnd(): void;
}

/** The packets that one connection sends: they are handled in turn with those of others, and while there is room for more. */
export class IncomingPackets {
  readonly #socket: Duplex;
  readonly #deps: Deps;
  readonly #framer: Framer;
  readonly #takeTurn = () => this.#readOn();
  #hasStopped = false;
  #hasEnded = false;
  /** The client sends no more; what it sent may still wait in the framer. */
  #hasPeerEnded = false;

  constructor(socket: Duplex, maxPacketBytes: number, deps: Deps) {
    this.#socket = socket;
    this.#deps = deps;
    this.#framer = new Framer(maxPacketBytes);
    socket.on('data', (chunk: Buffer) => {
      if (this.#hasEnded) return;
      this.#framer.push(chunk);
      this.#readOn();
    });
    socket.on('drain', this.read);
    socket.on('end', () => {
      this.#hasPeerEnded = true;
      this.#readOn();
    });
  }

  /** What came and is not handled yet. */
  get bytes(): number {
    return this.#framer.bytes;
  }

  set maxPacketBytes(bytes: number) {
    this.#framer.maxPacketBytes = bytes;
  }

  /** There may be room for more, as for others, too. */
  readonly read = (): void => this.#deps.turns.wait(this.#takeTurn);

  /** Nothing more is handled. */
  stop(): void {
    this.#hasStopped = true;
    this.#socket.pause();
  }

  /** What comes is dropped from now on. */
  end(): void {
    const { inFlightBytes, waiting, turns } = this.#deps;
    this.#hasStopped = this.#hasEnded = true;
    inFlightBytes.cancel(this.read);
    waiting.cancel(this.read);
    turns.cancel(this.#takeTurn);
    this.#framer.clear();
  }

  /** Handles what has arrived, as far as there is room for more; of much only some, and the rest in its turn. */
  #readOn(): void {
    try {
      this.#handlePackets();
    } catch (error) {
      this.#deps.failed(error);
    }
    if (!this.#hasEnded) this.#deps.onRead();
  }

  #handlePackets(): void {
    const { patience, flow, handle, onEnd } = this.#deps;
    for (let left = PACKETS_IN_TURN; !this.#hasStopped; left--) {
      const mustWait = this.#mustWait();
      if (mustWait || left === 0) {
        this.#socket.pause();
        if (!mustWait) this.read();
        return;
      }
      const frame = this.#framer.next();
      if (frame === undefined) {
        if (this.#framer.isWithinPacket && flow()) patience.packetBegan();
        if (this.#hasPeerEnded) onEnd();
        else this.#socket.resume();
        return;
      }
      patience.packetCame();
      handle(frame);
    }
  }

  #mustWait(): boolean {
    const { inFlightBytes, waiting, patience, flow } = this.#deps;
    if (inFlightBytes.isFull) inFlightBytes.whenFree(this.read);
    if (waiting.isFull) waiting.whenFree(this.read);
    const isHeldUp = flow() !== undefined && (flow()!.isFull || inFlightBytes.isFull || waiting.isFull);
    patience.heldUp(isHeldUp);
    // A client that does not read its acknowledgements gets no new ones.
    return isHeldUp || this.#socket.writableNeedDrain;
  }
}
