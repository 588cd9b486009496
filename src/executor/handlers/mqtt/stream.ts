import { isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { MqttClient } from 'mqtt';
import { streamBuilder as webSocketBuilder } from 'mqtt/lib/connect/ws';
import type { PemCredentials } from '../../../../gen/penstock/v1/credentials_pb.ts';
import { type MqttConfiguration, MqttTransport, MqttVersion } from '../../../../gen/penstock/v1/mqtt_pb.ts';
import { authority } from '../../../runtime/authority.ts';
import type { TargetGuard } from '../../../runtime/target-guard.ts';
import { pemOptions } from '../tls.ts';

export const isWebSocket = ({ transport }: MqttConfiguration) => transport === MqttTransport.WEBSOCKET;

/** What MQTT 3.1 calls itself, and the others. */
export const protocolOf = ({ mqttVersion }: MqttConfiguration) =>
  mqttVersion === MqttVersion.MQTT_VERSION_3_1
    ? ({ protocolId: 'MQIsdp', protocolVersion: 3 } as const)
    : ({
        protocolId: 'MQTT',
        protocolVersion: mqttVersion === MqttVersion.MQTT_VERSION_5_0 ? 5 : 4,
      } as const);

function portOf(config: MqttConfiguration): number {
  if (config.port !== undefined) return config.port;
  if (isWebSocket(config)) return config.ssl ? 443 : 80;
  return config.ssl ? 8883 : 1883;
}

const pathOf = ({ websocketPath }: MqttConfiguration) => websocketPath || '/mqtt';

/** For people: `mqtts://broker:8883`, `ws://broker:80/mqtt`. */
export function addressOf(config: MqttConfiguration): string {
  const scheme = (isWebSocket(config) ? 'ws' : 'mqtt') + (config.ssl ? 's' : '');
  const path = isWebSocket(config) ? pathOf(config).replace(/\?.*/, '') : '';
  return `${scheme}://${authority(config.host, portOf(config))}${path}`;
}

/** The certificates that a configuration speaks TLS with. */
export function certificatesOf(config: MqttConfiguration): PemCredentials | undefined {
  const { credentials, tls } = config;
  return credentials?.credentials.case === 'pem' ? credentials.credentials.value : tls;
}

/** Opens the socket to the broker, allowed by the guard. */
function openSocket(config: MqttConfiguration, guard: TargetGuard): Socket {
  const target = { host: config.host, port: portOf(config) };
  if (!config.ssl) return guard.connect(target).setNoDelay();
  const certificates = certificatesOf(config);
  return guard.connect({ ...target, tls: certificates ? pemOptions(certificates) : {} }).setNoDelay();
}

/** The stream that carries MQTT to the broker. `onSocket` is handed the socket under it. */
export function openStream(
  config: MqttConfiguration,
  guard: TargetGuard,
  client: MqttClient,
  onSocket: (socket: Socket) => void,
): Duplex {
  const open = () => {
    const socket = openSocket(config, guard);
    onSocket(socket);
    return socket;
  };
  if (!isWebSocket(config)) return open();
  const { host, ssl } = config;
  const stream = webSocketBuilder(client, {
    ...protocolOf(config),
    protocol: ssl ? 'wss' : 'ws',
    hostname: isIP(host) === 6 ? `[${host}]` : host,
    port: portOf(config),
    path: pathOf(config),
    wsOptions: { createConnection: open, perMessageDeflate: false },
  }) as Duplex;
  // Without it each of the five or so pieces of a packet would be a WebSocket frame of its own.
  stream._writev = (chunks, done) =>
    stream._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'binary', done);
  return stream;
}
