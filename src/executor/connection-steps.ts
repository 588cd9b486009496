import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { authority } from '../runtime/authority.ts';
import type { Clock } from '../runtime/clock.ts';
import { messageOf } from '../runtime/logger.ts';
import type { Target } from '../runtime/open-socket.ts';
import type { TargetGuard } from '../runtime/target-guard.ts';
import type { CheckResult, ConnectionFault } from './handlers/handler.ts';

/** Of a cluster with many brokers, or one that answers for many addresses, the first connections tell enough. */
const MAX_CONNECTIONS = 8;

/** What was done on the way, and how long it took in milliseconds. */
export interface Step {
  readonly name: ConnectionFault['step'] | NonNullable<CheckResult['fault']>;
  readonly ok: boolean;
  readonly detail: string;
  /** Undefined: it is a part of the step before. */
  readonly duration?: number;
}

/** Watches the connections of a check, and tells how far each came. */
export class ConnectionSteps {
  readonly #clock: Clock;
  readonly #connections: Course[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The same guard, watched. */
  watched(guard: TargetGuard): TargetGuard {
    return {
      checkLiteral: (host) => guard.checkLiteral(host),
      connect: (target) => {
        const began = this.#clock.monotonic();
        const socket = guard.connect(target);
        const isKept = this.#connections.length < MAX_CONNECTIONS;
        if (isKept) this.#connections.push(new Course(socket, target, this.#clock, began));
        return socket;
      },
    };
  }

  /** The check is over, without having reached anything: what was still going on has failed with that. */
  giveUp(message: string): void {
    this.#connections.at(-1)?.failed(new Error(message));
  }

  /** The connection that could not be made, when that is what the check ended with. */
  get fault(): ConnectionFault | undefined {
    return this.#connections.at(-1)?.fault;
  }

  /** All that was done: of the connections, and then what the check found by them. */
  told({ reachable, message, fault, isAuthenticated = false }: CheckResult): readonly Step[] {
    const steps = this.#connections.flatMap((connection) => connection.steps);
    const last = this.#connections.at(-1);
    if (!reachable && (!last?.isMade || last.fault)) return steps;
    const duration = last && this.#clock.monotonic() - last.since;
    const timed = duration === undefined ? {} : { duration };
    if (reachable) {
      steps.push({ name: 'protocol', ok: true, detail: message, ...timed });
      if (isAuthenticated) steps.push({ name: 'authentication', ok: true, detail: 'it was let in' });
    } else if (fault === 'authentication') {
      steps.push({ name: 'protocol', ok: true, detail: 'it answered', ...timed });
      steps.push({ name: 'authentication', ok: false, detail: message });
    } else steps.push({ name: 'protocol', ok: false, detail: message, ...timed });
    return steps;
  }
}

/** How far one connection came. */
class Course {
  readonly steps: Step[] = [];
  fault: ConnectionFault | undefined;
  isMade = false;
  /** When the last step ended. */
  since: number;
  readonly #clock: Clock;
  readonly #host: string;
  #next: ConnectionFault['step'];

  constructor(socket: Socket, { host, port, tls }: Target, clock: Clock, began: number) {
    this.#clock = clock;
    this.#host = host;
    this.since = began;
    this.#next = 'look-up';
    const address = authority(host, port);
    socket.once('lookup', (error, found) => {
      if (!error && this.#next === 'look-up') this.#done(`${host} is ${found}`, 'TCP');
    });
    socket.once('connect', () => {
      this.#next = 'TCP';
      this.#done(`connected to ${address}`, 'TLS');
      this.isMade = tls === undefined;
    });
    socket.once('secureConnect', () => {
      this.#done(`${(socket as TLSSocket).getProtocol() ?? 'TLS'} with ${address}`, 'TLS');
      this.isMade = true;
    });
    socket.once('error', (error) => this.failed(error));
    socket.once('close', () => this.failed(new Error('the connection was closed')));
    // An address is not looked up.
    if (/^\[?[\d.]+$|:/.test(host)) this.#next = 'TCP';
  }

  #done(detail: string, next: ConnectionFault['step']): void {
    const now = this.#clock.monotonic();
    this.steps.push({ name: this.#next, ok: true, detail, duration: now - this.since });
    this.since = now;
    this.#next = next;
  }

  /** It is over, unless it is made. */
  failed(error: Error): void {
    // With TLS 1.3 the other side refuses a certificate behind the handshake.
    const isOfTls = 'code' in error && /^ERR_SSL_/.test(String(error.code));
    if (this.fault || (this.isMade && !isOfTls)) return;
    const step = this.#next;
    this.fault = { step, host: this.#host, error };
    const duration = this.#clock.monotonic() - this.since;
    this.steps.push({ name: step, ok: false, detail: messageOf(error), duration });
  }
}
