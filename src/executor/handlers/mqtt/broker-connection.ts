import { durationMs } from '@bufbuild/protobuf/wkt';
import type { MqttConfiguration } from '../../../../gen/penstock/v1/mqtt_pb.ts';
import { backoffPause } from '../../../runtime/backoff.ts';
import type { CancelTimer } from '../../../runtime/clock.ts';
import { type Linked, LinkedList } from '../../../runtime/linked-list.ts';
import { messageOf } from '../../../runtime/logger.ts';
import {
  DELIVERED,
  type Failure,
  type HandlerContext,
  heldBy,
  type Outbound,
  type Outcome,
  WRITTEN,
} from '../handler.ts';
import type { ConnectionError } from './course.ts';
import { cutFailure, disconnected } from './disconnected.ts';
import type { Identity } from './identities.ts';
import type { PublicationWriter } from './publication.ts';
import { publishFailure, SESSION_TAKEN_OVER, wordsOf } from './reason-code.ts';
import { recordAnswer, recordPublication } from './recorded.ts';
import { Session } from './session.ts';

const RECONNECT_PERIOD = 5000;
const LONGEST_PAUSE = 60_000;
/** How long a message waits for a lost connection to come back. */
const PATIENCE = 10_000;

/** A message on its way, and who is told what became of it. */
export interface Sending extends Linked<Sending> {
  readonly message: Outbound;
  settle(outcome: Outcome): void;
}

/**
 * A connection to the broker under one client id, which is made again when it is lost. What is on its way then fails, for
 * nobody knows whether the broker has it; what comes while there is none waits for the next try to connect.
 */
export class BrokerConnection {
  readonly #config: MqttConfiguration;
  readonly #identity: Identity;
  readonly #context: HandlerContext;
  readonly #write: PublicationWriter;
  readonly #backoff: { readonly initial: number; readonly max: number };
  readonly #stop = new AbortController();
  /** On their way over the session, at most `#window`. */
  readonly #inFlight = new LinkedList<Sending>();
  /** For the session, or for space in the window. */
  #waiting: Sending[] = [];
  #session: Session | undefined;
  #window = 0;
  /** Messages that have left over the session: all of them; up to the last of QoS 0; up to the last that was answered. */
  #sent = { all: 0, unanswerable: 0, answered: 0 };
  #reason = 'not connected yet';
  #cancelPause: CancelTimer = () => {};
  #cancelPatience: CancelTimer | undefined;

  constructor(
    config: MqttConfiguration,
    identity: Identity,
    context: HandlerContext,
    write: PublicationWriter,
  ) {
    this.#config = config;
    this.#identity = identity;
    this.#context = context;
    this.#write = write;
    const initial = config.reconnectPeriod ? durationMs(config.reconnectPeriod) : RECONNECT_PERIOD;
    this.#backoff = { initial, max: Math.max(initial, LONGEST_PAUSE) };
  }

  get isUp(): boolean {
    return this.#session !== undefined;
  }

  /** Rejects with the reason. One that was aborted is not to be used any more. */
  async connect(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const abort = () => this.#stop.abort(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await this.#open();
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  send(sending: Sending): void {
    if (this.#session && this.#waiting.length === 0 && this.#inFlight.size < this.#window) {
      this.#leave(this.#session, sending);
    } else if (!this.#session && (this.#stop.signal.aborted || this.#isForGood)) {
      sending.settle(disconnected(this.#reason));
    } else {
      this.#waiting.push(sending);
      if (!this.#session) this.#beginPatience();
    }
  }

  /** Lets go of a message that nobody waits for any more. */
  abandon(sending: Sending): void {
    if (this.#inFlight.delete(sending)) {
      // Brokers acknowledge in order: behind what is missing nothing comes any more, and its packet id would stay taken.
      this.#session?.cut('it was cut, because the broker did not acknowledge a message in time');
    } else {
      this.#waiting = this.#waiting.filter((one) => one !== sending);
    }
  }

  /** Lets go of what waits of a lane in which a message before it has failed. */
  hold(key: string, failure: Failure): void {
    const held = this.#waiting.filter(({ message }) => message.key === key);
    if (held.length === 0) return;
    this.#waiting = this.#waiting.filter(({ message }) => message.key !== key);
    for (const sending of held) sending.settle(heldBy(failure));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const reason = 'the integration stopped';
    const session = this.#session;
    this.#stop.abort(new Error(reason));
    this.#cancelPause();
    this.#session = undefined;
    this.#fail(reason);
    if (!session) return;
    session.onLost = () => {};
    await session.end(this.#context);
  }

  /** Whether a connection that is lost stays lost. */
  get #isForGood(): boolean {
    return this.#backoff.initial === 0;
  }

  async #open(): Promise<void> {
    const session = await Session.open(this.#config, this.#identity, this.#context, this.#stop.signal);
    if (this.#stop.signal.aborted) {
      await session.end(this.#context);
      throw this.#stop.signal.reason;
    }
    if (session.lost) throw session.lost;
    session.onLost = (error) => this.#lost(error);
    this.#session = session;
    this.#sent = { all: 0, unanswerable: 0, answered: 0 };
    this.#window = Math.min(
      this.#config.maxInFlight ?? Number.POSITIVE_INFINITY,
      session.limits.receiveMaximum,
    );
    this.#endPatience();
    this.#flush();
  }

  #leave(session: Session, sending: Sending): void {
    const publication = this.#write(sending.message, session.limits);
    if ('delivered' in publication) {
      sending.settle(publication);
      return;
    }
    this.#inFlight.add(sending);
    const sent = this.#sent;
    const place = ++sent.all;
    const { qos = 0 } = publication.options;
    const { record } = this.#context;
    if (record) recordPublication(record, publication);
    if (qos === 0) sent.unanswerable = place;
    session.publish(publication, (error, packet) => {
      // Without a code it is no answer: the connection is about to be lost.
      if (error && typeof error.code !== 'number') return;
      if (qos !== 0) sent.answered = Math.max(sent.answered, place);
      if (!this.#inFlight.delete(sending)) return;
      if (record && qos > 0) recordAnswer(record, qos, error?.code);
      const words = error && wordsOf(packet?.properties, this.#identity.password);
      const delivered = qos === 0 ? WRITTEN : DELIVERED;
      sending.settle(error ? publishFailure(error.code as number, words) : delivered);
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#session && this.#waiting.length > 0 && this.#inFlight.size < this.#window) {
      this.#leave(this.#session, this.#waiting.shift()!);
    }
  }

  #lost(error: ConnectionError): void {
    this.#session = undefined;
    this.#reason = error.message;
    const lost = [...this.#inFlight];
    // The broker takes what comes over a connection one after another: what it has not come to yet was on it, too.
    const isShared = lost.length > 1 || this.#sent.unanswerable > this.#sent.answered;
    const failure = cutFailure(error, isShared);
    for (const sending of lost) this.#inFlight.delete(sending);
    for (const sending of lost) sending.settle(failure);
    if (this.#isForGood) {
      this.#reason = `${error.message}; with a reconnect_period of 0 it stays so until the integration is disabled and enabled again`;
      this.#fail(this.#reason);
      return;
    }
    if (this.#waiting.length > 0) this.#beginPatience();
    // Whoever took the client id over keeps it for a while: two that take it from each other get nothing done.
    this.#pause(error.code === SESSION_TAKEN_OVER ? LONGEST_PAUSE : this.#pauseAfter(1), 1);
  }

  #pauseAfter(failures: number): number {
    return backoffPause(this.#backoff, failures, this.#context.random());
  }

  #pause(ms: number, failures: number): void {
    this.#cancelPause = this.#context.clock.setTimer(() => void this.#reconnect(failures), ms);
  }

  async #reconnect(failures: number): Promise<void> {
    try {
      await this.#open();
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#fail(messageOf(error));
      this.#pause(this.#pauseAfter(failures + 1), failures + 1);
    }
  }

  /** Fails everything that is on its way or waits. */
  #fail(reason: string): void {
    this.#reason = reason;
    this.#endPatience();
    const failed = [...this.#inFlight, ...this.#waiting];
    for (const sending of failed) this.#inFlight.delete(sending);
    this.#waiting = [];
    const failure = disconnected(reason);
    for (const sending of failed) sending.settle(failure);
  }

  #beginPatience(): void {
    this.#cancelPatience ??= this.#context.clock.setTimer(() => this.#fail(this.#reason), PATIENCE);
  }

  #endPatience(): void {
    this.#cancelPatience?.();
    this.#cancelPatience = undefined;
  }
}
