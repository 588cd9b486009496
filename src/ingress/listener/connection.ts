import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { BusError } from '../../bus/bus.ts';
import type { PublishedMessage } from '../../contract/encode-envelope.ts';
import type { CancelTimer, Clock } from '../../runtime/clock.ts';
import type { InFlightBytes } from '../../runtime/in-flight-bytes.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { TakeIn } from '../fan-out.ts';
import { Client, MAX_TOPIC_ALIASES } from './client.ts';
import { ConnectRefusal, readConnect } from './connect-packet.ts';
import { type Frame, Framer } from './framer.ts';
import { Intake, MAX_IN_FLIGHT, type TakenIn } from './intake.ts';
import { OutgoingPackets } from './outgoing-packets.ts';
import { MqttError, ReasonCode } from './protocol.ts';
import { MAX_SESSION_EXPIRY, type Sessions } from './sessions.ts';

export interface ConnectionLimits {
  readonly maxPacketBytes: number;
  readonly maxConnections: number;
}

export interface ConnectionDeps {
  readonly limits: ConnectionLimits;
  readonly sessions: Sessions;
  readonly inFlightBytes: InFlightBytes;
  readonly takeIn: TakeIn;
  readonly takenIn: TakenIn;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  publishWill(will: PublishedMessage): void;
}

/** Why a connection ended: a label of `penstock_mqtt_disconnects_total`. */
type EndReason =
  | 'disconnect'
  | 'lost'
  | 'no-connect'
  | 'refused'
  | 'keep-alive'
  | 'taken-over'
  | 'protocol-error'
  | 'not-stored'
  | 'shutdown';

/** Ends that somebody will ask about; the others are everyday. */
const LEVELS: Partial<Record<EndReason, 'info' | 'warn'>> = {
  refused: 'info',
  'protocol-error': 'info',
  'not-stored': 'warn',
};
/** How long a client may take to its CONNECT, in milliseconds. */
const CONNECT_DEADLINE = 5000;
/** How long a client may take to close a connection that has ended, in milliseconds. */
const LINGER = 1000;
/** TCP's own probes find peers that vanished without a keep-alive of MQTT; milliseconds. */
const TCP_KEEP_ALIVE = 60_000;

/** One network connection: bytes in and out, its deadlines, its end. */
export class Connection {
  /** Resolves once the socket is closed. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #deps: ConnectionDeps;
  readonly #framer: Framer;
  readonly #outgoing: OutgoingPackets;
  readonly #read = () => this.#readOn();
  #client: Client | undefined;
  #isDraining = false;
  /** The client sends no more; what it sent may still wait in the framer. */
  #hasPeerEnded = false;
  #hasEnded = false;
  /** By the monotonic clock. */
  #lastPacket = 0;
  #cancelTimer: CancelTimer;

  constructor(socket: Socket, deps: ConnectionDeps) {
    this.#socket = socket;
    this.#deps = deps;
    this.#framer = new Framer(deps.limits.maxPacketBytes);
    this.#outgoing = new OutgoingPackets(socket);
    this.#cancelTimer = this.#after(CONNECT_DEADLINE, () => this.#end('no-connect'));
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#end('lost');
        this.#cancelTimer();
        resolve();
      });
    });
    socket.on('error', (error) => deps.logger.debug('MQTT socket error', { error: messageOf(error) }));
    socket.on('end', () => {
      this.#hasPeerEnded = true;
      this.#readOn();
    });
    socket.on('drain', this.#read);
    socket.on('data', (chunk: Buffer) => {
      if (this.#hasEnded) return;
      this.#framer.push(chunk);
      this.#readOn();
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEP_ALIVE);
  }

  /** Reads no more, and ends once everything taken in is acknowledged. */
  shutDown(): void {
    this.#isDraining = true;
    this.#socket.pause();
    this.#endWhenDrained();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** A newer connection has the client id now. */
  takenOver(): void {
    this.#end('taken-over', ReasonCode.SESSION_TAKEN_OVER);
  }

  /** Handles what has arrived, as far as there is room for more. */
  #readOn(): void {
    try {
      while (!this.#hasEnded && !this.#isDraining) {
        if (this.#mustWait()) {
          this.#socket.pause();
          return;
        }
        const frame = this.#framer.next();
        if (frame === undefined) {
          if (this.#hasPeerEnded) this.#end('lost');
          else this.#socket.resume();
          return;
        }
        this.#lastPacket = this.#deps.clock.monotonic();
        if (this.#client) this.#client.handle(frame);
        else this.#connect(frame);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Whether Kafka has to catch up first. CONNECT does not wait for it. */
  #isHeldUp(): boolean {
    return this.#client !== undefined && (this.#client.intake.isFull || this.#deps.inFlightBytes.isFull);
  }

  #mustWait(): boolean {
    const { inFlightBytes } = this.#deps;
    if (inFlightBytes.isFull) inFlightBytes.whenFree(this.#read);
    // A client that does not read its acknowledgements gets no new ones.
    return this.#isHeldUp() || this.#socket.writableNeedDrain;
  }

  #connect(frame: Frame): void {
    const { sessions, limits, metrics } = this.#deps;
    const connect = readConnect(frame);
    const { version, isClean, keepAlive, sessionExpiry } = connect;
    if (sessions.online >= limits.maxConnections && !sessions.isOnline(connect.clientId)) {
      throw new ConnectRefusal(version, ReasonCode.QUOTA_EXCEEDED, 'too many connections');
    }
    this.#outgoing.version = version;
    const clientId = connect.clientId || `auto-${randomUUID()}`;
    const { session, isPresent } = sessions.open(clientId, isClean, this);
    const intake = new Intake(session, {
      ...this.#deps,
      outgoing: this.#outgoing,
      onFailure: (error) => this.#notStored(error),
      onSettled: () => (this.#isDraining ? this.#endWhenDrained() : this.#readOn()),
    });
    const onDisconnect = () => this.#end('disconnect');
    this.#client = new Client(clientId, connect, { intake, outgoing: this.#outgoing, onDisconnect });
    metrics.mqttConnections.inc();
    this.#outgoing.connack(isPresent, {
      receiveMaximum: MAX_IN_FLIGHT,
      maximumPacketSize: limits.maxPacketBytes,
      topicAliasMaximum: MAX_TOPIC_ALIASES,
      wildcardSubscriptionAvailable: false,
      subscriptionIdentifiersAvailable: false,
      sharedSubscriptionAvailable: false,
      ...(connect.clientId === '' && { assignedClientIdentifier: clientId }),
      ...(sessionExpiry > MAX_SESSION_EXPIRY && { sessionExpiryInterval: MAX_SESSION_EXPIRY }),
    });
    this.#cancelTimer();
    if (keepAlive > 0) this.#watchKeepAlive(keepAlive * 1500);
  }

  /** Ends the connection when no packet came for `limit` milliseconds. */
  #watchKeepAlive(limit: number): void {
    const now = this.#deps.clock.monotonic();
    if (this.#isHeldUp()) this.#lastPacket = now; // the silence is ours
    const left = this.#lastPacket + limit - now;
    if (left <= 0) this.#end('keep-alive', ReasonCode.KEEP_ALIVE_TIMEOUT);
    else this.#cancelTimer = this.#after(left, () => this.#watchKeepAlive(limit));
  }

  #fail(error: unknown): void {
    if (error instanceof ConnectRefusal) {
      this.#outgoing.version = error.version;
      this.#outgoing.refuse(error.reasonCode);
      this.#end('refused', undefined, error);
    } else if (error instanceof MqttError) {
      this.#end('protocol-error', error.reasonCode, error);
    } else {
      this.#deps.logger.error('an MQTT packet could not be handled', { error: messageOf(error) });
      this.#end('protocol-error', ReasonCode.UNSPECIFIED_ERROR, error);
    }
  }

  /** Without an acknowledgement the client sends the message again: at the latest when it has connected again. */
  #notStored(error: unknown): void {
    const isFull = error instanceof BusError && error.reason === 'full';
    this.#end('not-stored', isFull ? ReasonCode.QUOTA_EXCEEDED : ReasonCode.SERVER_BUSY, error);
  }

  #endWhenDrained(): void {
    if (this.#client?.intake.isIdle !== false) this.#end('shutdown', ReasonCode.SERVER_SHUTTING_DOWN);
  }

  /** The one way out. What was acknowledged so far still leaves, then a DISCONNECT, where the client may have one. */
  #end(reason: EndReason, reasonCode?: ReasonCode, error?: unknown): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const { metrics, logger, inFlightBytes } = this.#deps;
    metrics.mqttDisconnects.inc({ reason });
    logger[LEVELS[reason] ?? 'debug']('MQTT connection ended', {
      reason,
      client: this.#client?.clientId,
      ...(error !== undefined && { error: messageOf(error) }),
    });
    this.#cancelTimer();
    inFlightBytes.cancel(this.#read);
    if (this.#client !== undefined) {
      this.#leave(this.#client, reason);
      if (reasonCode !== undefined) this.#outgoing.disconnect(reasonCode);
    }
    this.#outgoing.flush();
    this.#socket.end();
    // Unread bytes make the kernel reset the connection, and the client would not learn why it ended.
    this.#socket.resume();
    this.#cancelTimer = this.#after(LINGER, () => this.#socket.destroy());
  }

  #leave(client: Client, reason: EndReason): void {
    const { sessions, metrics, publishWill } = this.#deps;
    sessions.close(client.clientId, this, client.sessionExpiry);
    metrics.mqttConnections.dec();
    // A will tells that the client is gone. When it is us who go, it is not.
    if (client.will && reason !== 'shutdown' && reason !== 'not-stored') publishWill(client.will);
  }

  #after(ms: number, callback: () => void): CancelTimer {
    return this.#deps.clock.setTimer(callback, ms, { unref: true });
  }
}
