import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { BusError, type Waiting } from '../../bus/bus.ts';
import type { ByteLimit } from '../../runtime/byte-limit.ts';
import type { CancelTimer, Clock } from '../../runtime/clock.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { TakeIn } from '../fan-out.ts';
import { checkRoom } from './admission.ts';
import { Client } from './client.ts';
import { connackProperties } from './connack.ts';
import { ConnectRefusal, readConnect } from './connect-packet.ts';
import { type End, type EndReason, LEVELS, loggedId } from './end-reason.ts';
import type { FairShares } from './fair-shares.ts';
import type { Frame } from './framer.ts';
import type { Holdings } from './holdings.ts';
import { IncomingPackets } from './incoming-packets.ts';
import type { Newcomers } from './newcomers.ts';
import { originOf } from './origins.ts';
import { OutgoingPackets } from './outgoing-packets.ts';
import { Patience } from './patience.ts';
import { MqttError, protocolError, ReasonCode } from './protocol.ts';
import { PublishFlow } from './publish-flow.ts';
import type { SessionNotes } from './received-notes.ts';
import { MAX_SESSION_EXPIRY } from './session-expiry.ts';
import type { Sessions } from './sessions.ts';
import type { TakenIn } from './taken-in.ts';
import type { Turns } from './turns.ts';

export interface ConnectionLimits {
  readonly maxPacketBytes: number;
  readonly maxConnections: number;
  /** How long a client may take to its CONNECT, in milliseconds. */
  readonly connectTimeout: number;
  /** How long a client may take from the first byte of a packet to its last, in milliseconds. */
  readonly packetTimeout: number;
}

/** What a client is connected by: a socket of TCP, or a WebSocket. */
export type ClientSocket = Duplex & { readonly remoteAddress?: string | undefined };

export interface ClientConnectionDeps {
  readonly transport: 'tcp' | 'websocket';
  readonly limits: ConnectionLimits;
  readonly sessions: Sessions;
  readonly notes: SessionNotes;
  readonly newcomers: Newcomers;
  readonly holdings: Holdings;
  readonly inFlightBytes: ByteLimit;
  readonly shares: FairShares;
  readonly turns: Turns;
  /** What waits for Kafka, of all that this process sends. */
  readonly waiting: Waiting;
  readonly takeIn: TakeIn;
  readonly takenIn: TakenIn;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The largest CONNECT: strangers can send it. */
const MAX_CONNECT_BYTES = 65_536;
/** How long a client may take to close a connection that has ended, in milliseconds. */
const LINGER = 1000;

/** One network connection: what its packets lead to, and its end. */
export class ClientConnection {
  /** Resolves once the socket is closed. */
  readonly closed: Promise<void>;
  readonly origin: string;
  readonly #socket: ClientSocket;
  readonly #deps: ClientConnectionDeps;
  readonly #incoming: IncomingPackets;
  readonly #outgoing: OutgoingPackets;
  readonly #patience: Patience;
  #client: Client | undefined;
  /** Nothing more is read; set: what it ends with once all that was taken in is acknowledged. */
  #nextEnd: End | undefined;
  #ended: EndReason | undefined;
  #cancelLinger: CancelTimer = () => {};

  constructor(socket: ClientSocket, deps: ClientConnectionDeps) {
    this.#socket = socket;
    this.#deps = deps;
    this.origin = originOf(socket.remoteAddress);
    this.#outgoing = new OutgoingPackets(socket);
    this.#patience = new Patience({
      clock: deps.clock,
      ...deps.limits,
      onEnd: (why, reasonCode) => this.#end(why, reasonCode),
    });
    this.#incoming = new IncomingPackets(socket, Math.min(deps.limits.maxPacketBytes, MAX_CONNECT_BYTES), {
      ...deps,
      patience: this.#patience,
      flow: () => this.#client?.flow,
      handle: (frame) => (this.#client ? this.#client.handle(frame) : this.#connect(frame)),
      failed: (error) => this.#fail(error),
      onRead: () => deps.holdings.hold(this, this.#incoming.bytes + (this.#client?.bytes ?? 0)),
      onEnd: () => this.#drain({ reason: 'lost' }),
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#end('lost');
        deps.newcomers.delete(this);
        this.#cancelLinger();
        resolve();
      });
    });
    socket.on('error', (error) => deps.logger.debug('MQTT socket error', { error: messageOf(error) }));
    socket.on('violation', (error: Error) => this.#fail(protocolError(error.message)));
    deps.newcomers.add(this);
  }

  /** The node stops. */
  shutDown(): void {
    this.#drain({ reason: 'shutdown', reasonCode: ReasonCode.SERVER_SHUTTING_DOWN });
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** A newer connection has the client id now. */
  takenOver(): void {
    this.#end(this.#nextEnd?.reason ?? 'taken-over', ReasonCode.SESSION_TAKEN_OVER);
  }

  /** Too many are not connected. */
  crowdOut(): void {
    this.#end('crowded-out');
    this.destroy();
  }

  /** It holds more than any other while clients hold too much. */
  giveUp(): void {
    this.#end('memory', ReasonCode.QUOTA_EXCEEDED);
  }

  #connect(frame: Frame): void {
    const { sessions, limits, metrics, transport } = this.#deps;
    const connect = readConnect(frame);
    const { isClean, keepAlive } = connect;
    checkRoom(connect, this.#deps);
    const clientId = connect.clientId || `auto-${randomUUID()}`;
    const properties = connackProperties(connect, clientId, limits.maxPacketBytes);
    this.#outgoing.to = connect;
    // Before: the older connection becomes one of them, for which the oldest may have to go.
    this.#deps.newcomers.delete(this);
    const { session, isPresent } = sessions.open(clientId, isClean, this);
    const expires = (expiry: number) => {
      session.expiry = Math.min(expiry, MAX_SESSION_EXPIRY);
    };
    expires(connect.sessionExpiry);
    const flow = new PublishFlow(session, {
      ...this.#deps,
      clientId,
      origin: this.origin,
      outgoing: this.#outgoing,
      onFailure: (error) => this.#notStored(error),
      onSettled: () => (this.#nextEnd ? this.#endWhenDrained(this.#nextEnd) : this.#incoming.read()),
    });
    const onDisconnect = (expiry: number) => {
      expires(expiry);
      this.#drain({ reason: 'disconnect' });
    };
    this.#client = new Client(clientId, connect, { flow, outgoing: this.#outgoing, onDisconnect });
    metrics.mqttConnections.inc({ transport });
    if (this.#ended) {
      this.#leave(this.#client, this.#ended); // the end of the older connection led to that of this one
      return;
    }
    this.#incoming.maxPacketBytes = limits.maxPacketBytes;
    this.#outgoing.connack(isPresent, properties);
    this.#patience.connected(keepAlive);
  }

  #fail(error: unknown): void {
    if (error instanceof ConnectRefusal) {
      this.#outgoing.to = error.to;
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

  /** Reads no more, and ends once what was taken in is acknowledged, which Kafka's deadline bounds. */
  #drain(end: End): void {
    this.#nextEnd ??= end;
    this.#patience.cancel();
    this.#incoming.stop();
    this.#endWhenDrained(this.#nextEnd);
  }

  #endWhenDrained({ reason, reasonCode }: End): void {
    const flow = this.#client?.flow;
    // When the node stops, what is never acknowledged is waited for, too.
    const mustWait = flow && !(reason === 'shutdown' ? flow.isIdle : flow.isAcknowledged);
    if (!mustWait) this.#end(reason, reasonCode);
  }

  /** The one way out. What was acknowledged so far still leaves, then a DISCONNECT, where the client may have one. */
  #end(reason: EndReason, reasonCode?: ReasonCode, error?: unknown): void {
    if (this.#ended) return;
    this.#ended = reason;
    const { metrics, logger, holdings, clock } = this.#deps;
    metrics.mqttDisconnects.inc({ reason });
    logger[LEVELS[reason] ?? 'debug']('MQTT connection ended', {
      reason,
      client: this.#client && loggedId(this.#client.clientId),
      ...(error !== undefined && { error: messageOf(error) }),
    });
    this.#patience.cancel();
    this.#incoming.end();
    holdings.hold(this, 0);
    if (this.#client !== undefined) {
      this.#leave(this.#client, reason);
      if (reasonCode !== undefined) this.#outgoing.disconnect(reasonCode);
    }
    this.#outgoing.flush();
    this.#socket.end();
    // Unread bytes make the kernel reset the connection, and the client would not learn why it ended.
    this.#socket.resume();
    this.#cancelLinger = clock.setTimer(() => this.#socket.destroy(), LINGER, { unref: true });
  }

  #leave({ clientId, sessionExpiry, will, flow }: Client, reason: EndReason): void {
    const { sessions, metrics, newcomers, transport } = this.#deps;
    flow.end();
    sessions.close(clientId, this, {
      expiry: sessionExpiry,
      // A will tells that the client is gone. When it is us who go, it is not.
      will: reason === 'shutdown' ? undefined : will,
      isOurs: reason === 'not-stored',
    });
    metrics.mqttConnections.dec({ transport });
    newcomers.add(this);
  }
}
