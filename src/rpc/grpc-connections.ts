import { constants, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { ApiLimits } from '../runtime/api-settings.ts';
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { Bucket, type Rate } from '../runtime/rate-limit.ts';
import { addressKey } from './caller-key.ts';

/** How long a client may take for the preface of HTTP/2 with its settings, and a socket to close, in milliseconds. */
const PREFACE_TIMEOUT = 5000;
const CLOSE_TIMEOUT = 1000;
/**
 * PINGs and SETTINGS of a connection, each. Clients keep a connection alive by a PING in 10 s or so and measure its delay by one
 * for what they are sent: each call, and each message that is sent, makes room for as many again.
 */
const CONTROL_FRAMES: Rate = { atOnce: 30, perMinute: 60 };
/** As on the HTTP port, in bytes of all headers of a call. */
const MAX_HEADERS = 16 << 10;
/** What gRPC's own clients look for: they send fewer then. */
const TOO_MANY_PINGS = Buffer.from('too_many_pings');

type CutReason = 'silent' | 'pings' | 'settings' | 'crowded_out' | 'refused';

interface Deps {
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'grpcConnections' | 'grpcConnectionsCut'>;
}

interface Connection {
  readonly session: ServerHttp2Session;
  readonly socket: Socket;
  readonly address: string;
  readonly pings: Bucket;
  readonly settings: Bucket;
  /** Ends the waiting for the preface. */
  readonly greeted: CancelTimer;
  calls: number;
}

/**
 * The connections of the gRPC port: bounded in number and for each address, and cut when they say nothing, or nothing but what
 * makes work. grpc-js answers PINGs and waits for prefaces without end.
 */
export class GrpcConnections {
  readonly #limits: ApiLimits;
  readonly #deps: Deps;
  /** The one that has been without a call for longest comes first of those that have none. */
  readonly #open = new Map<ServerHttp2Session, Connection>();
  readonly #countOf = new Map<string, number>();
  /** The socket that is being let in. */
  #arriving: Socket | undefined;

  constructor(limits: ApiLimits, deps: Deps) {
    this.#limits = limits;
    this.#deps = deps;
  }

  /** Watches over the connections of a server that gets them from `letIn`. */
  watch(server: Http2Server): void {
    server.on('session', (session) => this.#begin(session));
    server.prependListener('stream', (stream) => this.#called(stream as ServerHttp2Stream));
  }

  /** Calls `inject` with the socket, if there is room. */
  letIn<S extends Socket>(socket: S, inject: (socket: S) => void): void {
    if (!this.#makeRoom(addressKey(socket.remoteAddress ?? ''))) {
      this.#deps.metrics.grpcConnectionsCut.inc({ reason: 'refused' satisfies CutReason });
      socket.destroy();
      return;
    }
    this.#arriving = socket;
    inject(socket);
    this.#arriving = undefined;
  }

  /** A message leaves on this stream. */
  sent({ session }: ServerHttp2Stream): void {
    this.#refill(this.#open.get(session as ServerHttp2Session));
  }

  #makeRoom(address: string): boolean {
    const isFull = this.#open.size >= this.#limits.PENSTOCK_API_MAX_CONNECTIONS;
    const own = this.#countOf.get(address) ?? 0;
    if (own >= this.#limits.PENSTOCK_API_MAX_CONNECTIONS_PER_ADDRESS) return this.#cutIdle(address);
    return !isFull || this.#cutIdle();
  }

  /** Whether there was one without a call, of this address or of any. */
  #cutIdle(address?: string): boolean {
    for (const connection of this.#open.values()) {
      if (connection.calls > 0 || (address !== undefined && connection.address !== address)) continue;
      this.#cut(connection, 'crowded_out', constants.NGHTTP2_NO_ERROR);
      return true;
    }
    return false;
  }

  #begin(session: ServerHttp2Session): void {
    const socket = this.#arriving;
    if (socket === undefined) return;
    const { clock } = this.#deps;
    const connection: Connection = {
      session,
      socket,
      address: addressKey(socket.remoteAddress ?? ''),
      pings: new Bucket(CONTROL_FRAMES, clock),
      settings: new Bucket(CONTROL_FRAMES, clock),
      greeted: clock.setTimer(() => this.#cut(connection, 'silent'), PREFACE_TIMEOUT, { unref: true }),
      calls: 0,
    };
    this.#open.set(session, connection);
    this.#countOf.set(connection.address, (this.#countOf.get(connection.address) ?? 0) + 1);
    this.#deps.metrics.grpcConnections.set(this.#open.size);
    session.once('close', () => this.#ended(connection));
    session.on('ping', () => connection.pings.take() || this.#cut(connection, 'pings'));
    session.on('remoteSettings', () => {
      connection.greeted();
      if (!connection.settings.take()) this.#cut(connection, 'settings');
    });
    session.settings({ maxHeaderListSize: MAX_HEADERS });
  }

  #called(stream: ServerHttp2Stream): void {
    const connection = this.#open.get(stream.session as ServerHttp2Session);
    if (connection === undefined) return;
    this.#refill(connection);
    connection.calls++;
    stream.once('close', () => {
      connection.calls--;
      if (connection.calls > 0 || !this.#open.delete(connection.session)) return;
      this.#open.set(connection.session, connection);
    });
  }

  #refill(connection: Connection | undefined): void {
    connection?.pings.refill();
    connection?.settings.refill();
  }

  #cut(connection: Connection, reason: CutReason, code: number = constants.NGHTTP2_ENHANCE_YOUR_CALM): void {
    if (!this.#open.has(connection.session)) return; // frames that came with the one for which it was cut
    this.#deps.metrics.grpcConnectionsCut.inc({ reason });
    this.#remove(connection);
    const { session } = connection;
    if (session.destroyed) return;
    if (reason === 'pings') session.goaway(code, 0, TOO_MANY_PINGS);
    // Without an error the code would not be sent.
    session.destroy(new Error(`the connection was cut: ${reason}`), code);
  }

  #remove({ session, address, greeted }: Connection): void {
    if (!this.#open.delete(session)) return;
    greeted();
    const left = this.#countOf.get(address)! - 1;
    if (left > 0) this.#countOf.set(address, left);
    else this.#countOf.delete(address);
    this.#deps.metrics.grpcConnections.set(this.#open.size);
  }

  /** A peer that reads nothing, or does not close its side, would keep the socket. */
  #ended(connection: Connection): void {
    this.#remove(connection);
    const { socket } = connection;
    if (socket.destroyed) return;
    const cancel = this.#deps.clock.setTimer(() => socket.destroy(), CLOSE_TIMEOUT, { unref: true });
    socket.once('close', cancel);
  }
}
