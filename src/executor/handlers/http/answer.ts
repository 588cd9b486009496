import type { Dispatcher } from 'undici';
import type { Clock } from '../../../runtime/clock.ts';
import type { TrialRecord } from '../trial-record.ts';
import type { Connection, Passenger } from './connection.ts';
import type { Connections } from './connections.ts';
import { LostError } from './lost-error.ts';
import { recordHead } from './recorded.ts';
import type { Statuses } from './statuses.ts';
import type { Wire } from './wire.ts';

/** Of an answer that is no success, this much goes into the reason. */
const EXCERPT = 200;
/** How long the rest of an answer is waited for behind its head, in milliseconds. */
const BODY_TIMEOUT = 2000;
/** A connection that is lost is seen to be so this long after its first request has failed, at most. Milliseconds. */
const LOSS_SEEN = 100;

export interface HttpAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** The beginning of the body, when the status is no success. */
  readonly excerpt: string;
}

export interface AnswerLimits {
  readonly statuses: Statuses;
  readonly maxBytes: number;
  readonly clock: Clock;
  /** Keeps the answer, where a delivery is tried. */
  readonly record?: TrialRecord | undefined;
}

/**
 * Sends one request and takes its answer. The status decides, whatever becomes of the rest, which is read only so that the
 * connection can be used again.
 */
export class Answer implements Passenger {
  connection: Connection | undefined;
  readonly #connections: Connections;
  readonly #request: Dispatcher.DispatchOptions;
  readonly #limits: AnswerLimits;
  readonly #signal: AbortSignal;
  readonly #resolve: (answer: HttpAnswer) => void;
  readonly #reject: (error: unknown) => void;
  #dispatcher: Dispatcher;
  #controller: Dispatcher.DispatchController | undefined;
  /** What it left by; undefined: it has not left. */
  #wire: Wire | undefined;
  /** Whether that had carried a request before. */
  #wasUsed = false;
  #isRepeated = false;
  #status = 0;
  #retryAfter: string | undefined;
  #bytes = 0;
  #excerpt = '';
  #cancelTimeout = () => {};

  constructor(
    connections: Connections,
    request: Dispatcher.DispatchOptions,
    limits: AnswerLimits,
    signal: AbortSignal,
    resolve: (answer: HttpAnswer) => void,
    reject: (error: unknown) => void,
  ) {
    this.#connections = connections;
    this.#dispatcher = connections.take();
    this.#request = request;
    this.#limits = limits;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
    signal.addEventListener('abort', this.#abort);
    this.#send();
  }

  #send(): void {
    this.#dispatcher.dispatch(this.#request, this);
  }

  readonly #abort = () => {
    const { reason } = this.#signal;
    this.#settle(reason);
    this.#connections.cancel(this.#dispatcher, reason, this.#controller);
  };

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // It begins anew, by another connection, where the server did not take it before it said goodbye.
    this.#wire?.end();
    this.#wire = undefined;
    // One that waited for a shared connection must not leave any more.
    if (this.#signal.aborted) {
      controller.abort(this.#signal.reason);
      return;
    }
    const wire = this.connection?.wire;
    this.#wire = wire;
    this.#wasUsed = wire?.hasServed ?? false;
    wire?.begin();
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return;
    const { statuses, clock, record } = this.#limits;
    this.#status = status;
    if (record) recordHead(record, status, headers);
    if (!statuses.isSuccess(status)) this.#retryAfter = [headers['retry-after']].flat()[0];
    this.#cancelTimeout = clock.setTimer(() => {
      const late = new Error(`the answer did not end within ${BODY_TIMEOUT} ms behind its head`);
      this.#settle(late);
      controller.abort(late);
    }, BODY_TIMEOUT);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { statuses, maxBytes, record } = this.#limits;
    this.#bytes += chunk.length;
    record?.received(chunk);
    if (!statuses.isSuccess(this.#status) && this.#excerpt.length < EXCERPT) {
      this.#excerpt = (this.#excerpt + chunk.toString('utf8', 0, EXCERPT)).slice(0, EXCERPT);
    }
    if (this.#bytes <= maxBytes) return;
    const long = new Error('the answer is longer than max_in_memory_buffer_size_bytes');
    this.#settle(long);
    controller.abort(long);
  }

  onResponseEnd(): void {
    if (this.#wire) this.#wire.hasServed = true;
    this.#wire?.end();
    this.#settle(undefined);
    this.#end();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    const wire = this.#wire;
    // Of several requests the first one may fail before the connection is seen to be lost.
    if (this.#status === 0 && wire?.isShared && !wire.isLost) {
      void wire.ended(this.#limits.clock, LOSS_SEEN).then(() => this.#failed(error));
    } else this.#failed(error);
  }

  #failed(error: Error): void {
    const wire = this.#wire;
    const isShared = wire?.isLost === true && wire.wasShared;
    wire?.end();
    if (this.#mayRepeat()) {
      this.#repeat();
      return;
    }
    this.#settle(wire ? new LostError(error, isShared) : error);
    this.#end();
  }

  /** Servers close connections that are idle, also just when a request is on its way: it is none that failed. */
  #mayRepeat(): boolean {
    if (this.#isRepeated || !this.#wasUsed || this.#status > 0 || this.#signal.aborted) return false;
    return this.#wire?.diedSilently ?? false;
  }

  #repeat(): void {
    this.#isRepeated = true;
    this.#controller = undefined;
    this.#wire = undefined;
    this.#dispatcher = this.#connections.replace(this.#dispatcher);
    // Not before undici has done with the connection that it lost.
    queueMicrotask(() => this.#send());
  }

  /** With the status, as soon as one came; else with the error. */
  #settle(error: unknown): void {
    const status = this.#status || this.#wire?.status;
    if (status) this.#resolve({ status, retryAfter: this.#retryAfter, excerpt: this.#excerpt });
    else this.#reject(error);
  }

  #end(): void {
    this.#cancelTimeout();
    this.#signal.removeEventListener('abort', this.#abort);
    this.#connections.give(this.#dispatcher);
  }
}
