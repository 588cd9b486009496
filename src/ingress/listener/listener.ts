import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { Waiting } from '../../bus/bus.ts';
import { authority } from '../../runtime/authority.ts';
import { ByteLimit } from '../../runtime/byte-limit.ts';
import type { Clock } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { listenError } from '../../runtime/listen-error.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { TakeIn } from '../fan-out.ts';
import type { ClientSocket, ConnectionLimits } from './client-connection.ts';
import { Connections } from './connections.ts';
import { FairShares } from './fair-shares.ts';
import { Holdings } from './holdings.ts';
import { Newcomers } from './newcomers.ts';
import { Occasional } from './occasional.ts';
import type { SessionNotes } from './received-notes.ts';
import { Sessions } from './sessions.ts';
import { takenInBy } from './taken-in.ts';
import { Turns } from './turns.ts';
import { Wills } from './wills.ts';

export interface ListenerConfig extends ConnectionLimits {
  readonly host: string;
  /** 0 = one that is free. */
  readonly port: number;
  /** What clients may make this process hold, in bytes, as they are in memory. */
  readonly maxMemoryBytes: number;
}

export interface ListenerDeps {
  readonly takeIn: TakeIn;
  readonly notes: SessionNotes;
  /** What waits for Kafka, of all that this process sends. */
  readonly waiting: Waiting;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** A publish-only MQTT server. Disposing waits for what was taken in to be acknowledged, for some seconds at most. */
export interface Listener extends AsyncDisposable {
  /** `host:port` */
  readonly address: string;
  /** Takes in who has come over a WebSocket. */
  takeWebSocket(socket: ClientSocket): void;
  /** Ends those in order, and takes no more. */
  endWebSockets(): void;
}

/** Sockets whose client is not connected, beyond the connections allowed. */
const MAX_NEWCOMERS = 1000;
/** Those that are cut, and not closed yet. */
const MAX_CLOSING = 1000;
/** Who may have how much of the memory: none takes what another needs. */
const SHARES = { connected: 1 / 2, onTheirWay: 1 / 4, offline: 1 / 8, owedWills: 1 / 8 };
/**
 * What a socket reads ahead while it is paused, in bytes. Each segment is a buffer of its own there, however small: with more,
 * many small ones would take far more memory than their bytes.
 */
const READ_AHEAD = 8192;
const SOCKETS = {
  highWaterMark: READ_AHEAD,
  /** A client that hangs up is still heard to its last packet. */
  allowHalfOpen: true,
  noDelay: true,
  /** TCP's own probes find peers that vanished without a keep-alive of MQTT. */
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
};
/** How long outstanding acknowledgements are waited for at the end, in milliseconds. */
const STOP_DEADLINE = 5000;

/** Sockets of one transport, at most: those of connections, of newcomers, and those that are cut. */
export const maxSockets = ({ maxConnections }: Pick<ConnectionLimits, 'maxConnections'>): number =>
  maxConnections + MAX_NEWCOMERS + MAX_CLOSING;

/**
 * Listens for MQTT 3.1, 3.1.1 and 5.0 clients that publish; subscriptions are refused.
 * @throws UserError when the port cannot be listened on
 */
export async function startListener(config: ListenerConfig, deps: ListenerDeps): Promise<Listener> {
  const { clock, logger, metrics } = deps;
  const shared = sharedByConnections(config, deps);
  const { sessions, wills } = shared;
  const overTcp = new Connections({ ...shared, transport: 'tcp' });
  const overWebSocket = new Connections({ ...shared, transport: 'websocket' });
  const server = createServer(SOCKETS, (socket) => overTcp.take(socket));
  server.maxConnections = maxSockets(config);
  server.on('drop', () => metrics.mqttDisconnects.inc({ reason: 'refused' }));
  await listen(server, config);
  server.on('error', (error) => logger.error('MQTT listener error', { error: messageOf(error) }));
  return {
    address: addressOf(server),
    takeWebSocket: (socket) => overWebSocket.take(socket),
    endWebSockets: () => void overWebSocket.shutDown(),
    async [Symbol.asyncDispose]() {
      server.close();
      const closed = Promise.all([overTcp.shutDown(), overWebSocket.shutDown()]);
      const endSessions = async () => {
        sessions.endOffline(); // they end with this node
        await wills.finish();
      };
      // Once more when those are closed whose clients were gone already.
      const ends = [endSessions(), closed.then(endSessions)];
      try {
        await withDeadline(clock, STOP_DEADLINE, 'closing MQTT connections', Promise.allSettled(ends));
      } catch (error) {
        logger.warn('some MQTT clients are left without an acknowledgement', { error: messageOf(error) });
        overTcp.destroy();
        overWebSocket.destroy();
      }
    },
  };
}

/** What all connections have in common. */
export function sharedByConnections(config: ListenerConfig, deps: ListenerDeps) {
  const { clock, logger, metrics, takeIn, notes, waiting } = deps;
  const { maxConnections, maxMemoryBytes } = config;
  const share = (of: keyof typeof SHARES) => Math.floor(maxMemoryBytes * SHARES[of]);
  const takenIn = takenInBy(metrics);
  const wills = new Wills({ takeIn, takenIn, clock, logger, maxBytes: share('owedWills') });
  const forgotten = new Occasional(clock, (count) =>
    logger.warn('sessions of MQTT clients were forgotten to make room', { sessions: count }),
  );
  const onForgotten = () => {
    metrics.mqttSessionsForgotten.inc();
    forgotten.happened();
  };
  const sessions = new Sessions(
    { maxOffline: maxConnections, maxBytes: share('offline') },
    { clock, notes, wills, onForgotten },
  );
  return {
    limits: config,
    sessions,
    notes,
    wills,
    newcomers: new Newcomers(MAX_NEWCOMERS),
    holdings: new Holdings(share('connected')),
    inFlightBytes: new ByteLimit(share('onTheirWay')),
    shares: new FairShares(clock),
    turns: new Turns(),
    waiting,
    takeIn,
    takenIn,
    clock,
    logger,
    metrics,
  };
}

async function listen(server: Server, { host, port }: ListenerConfig): Promise<void> {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    throw listenError(error, host, port, 'PENSTOCK_MQTT_PORT (--mqtt-port)');
  }
}

function addressOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the MQTT listener is not on TCP');
  return authority(address.address, address.port);
}
