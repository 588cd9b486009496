import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { PublishedMessage } from '../../contract/encode-envelope.ts';
import { authority } from '../../runtime/authority.ts';
import type { Clock } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { InFlightBytes } from '../../runtime/in-flight-bytes.ts';
import { listenError } from '../../runtime/listen-error.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { TakeIn } from '../fan-out.ts';
import { Connection, type ConnectionLimits } from './connection.ts';
import { Sessions } from './sessions.ts';

export interface ListenerConfig extends ConnectionLimits {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

export interface ListenerDeps {
  readonly takeIn: TakeIn;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** A publish-only MQTT server. Disposing waits for what was taken in to be acknowledged, for some seconds at most. */
export interface Listener extends AsyncDisposable {
  /** `host:port` */
  readonly address: string;
}

/** Sockets that have not sent their CONNECT yet, beyond the connections allowed; more are closed at once. */
const MAX_NEWCOMERS = 1000;
/** Half of what the bus lets wait: one message may go to several integrations. */
const MAX_IN_FLIGHT_BYTES = 33_554_432;
/** How long outstanding acknowledgements are waited for at the end, in milliseconds. */
const STOP_DEADLINE = 5000;

/**
 * Listens for MQTT 3.1, 3.1.1 and 5.0 clients that publish; subscriptions are refused.
 * @throws UserError when the port cannot be listened on
 */
export async function startListener(config: ListenerConfig, deps: ListenerDeps): Promise<Listener> {
  const { clock, logger, metrics, takeIn } = deps;
  const connections = new Set<Connection>();
  const wills = new Set<Promise<void>>();
  const takenIn = {
    stored: metrics.takenIn.labels('mqtt', 'stored'),
    unmatched: metrics.takenIn.labels('mqtt', 'unmatched'),
    failed: metrics.takenIn.labels('mqtt', 'failed'),
    dropped: metrics.takenIn.labels('mqtt', 'dropped'),
  };
  const publishWill = async (will: PublishedMessage) => {
    try {
      ((await takeIn(will)) === 0 ? takenIn.unmatched : takenIn.stored).inc();
    } catch (error) {
      takenIn.failed.inc();
      logger.warn('a will was not stored', { client: will.clientId, error: messageOf(error) });
    }
  };
  const onForgotten = () => metrics.mqttSessionsForgotten.inc();
  const connectionDeps = {
    limits: config,
    sessions: new Sessions(config.maxConnections, { clock, onForgotten }),
    inFlightBytes: new InFlightBytes(MAX_IN_FLIGHT_BYTES),
    takeIn,
    takenIn,
    clock,
    logger,
    metrics,
    publishWill(will: PublishedMessage) {
      const published = publishWill(will).finally(() => wills.delete(published));
      wills.add(published);
    },
  };
  let isStopping = false;
  // Half open: a client that hangs up is still heard to its last packet.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    if (isStopping) {
      socket.destroy();
      return;
    }
    const connection = new Connection(socket, connectionDeps);
    connections.add(connection);
    void connection.closed.then(() => connections.delete(connection));
  });
  server.maxConnections = config.maxConnections + MAX_NEWCOMERS;
  server.on('drop', () => metrics.mqttDisconnects.inc({ reason: 'refused' }));
  await listen(server, config);
  server.on('error', (error) => logger.error('MQTT listener error', { error: messageOf(error) }));
  return {
    address: addressOf(server),
    async [Symbol.asyncDispose]() {
      isStopping = true;
      server.close();
      for (const connection of connections) connection.shutDown();
      const ends = [...[...connections].map(({ closed }) => closed), ...wills];
      try {
        await withDeadline(clock, STOP_DEADLINE, 'closing MQTT connections', Promise.allSettled(ends));
      } catch (error) {
        logger.warn('some MQTT clients are left without an acknowledgement', { error: messageOf(error) });
        for (const connection of connections) connection.destroy();
      }
    },
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
