import type { Settings } from './settings.ts';

type Given = Pick<
  Settings,
  'PENSTOCK_MQTT_WEBSOCKET_URL' | 'PENSTOCK_BIND_ADDRESS' | 'PENSTOCK_TLS_CERT_FILE'
>;

/** Every address of a machine: which of its names it is reached by is not known. */
const WILDCARDS = ['0.0.0.0', '::', '[::]'];

/**
 * Where an ingress takes MQTT over WebSocket, as others reach it; '' when it does not know.
 * @param httpAddress `host:port` of its HTTP port
 */
export function mqttWebSocketUrl(settings: Given, httpAddress: string): string {
  if (settings.PENSTOCK_MQTT_WEBSOCKET_URL !== '') return settings.PENSTOCK_MQTT_WEBSOCKET_URL;
  if (WILDCARDS.includes(settings.PENSTOCK_BIND_ADDRESS)) return '';
  const scheme = settings.PENSTOCK_TLS_CERT_FILE === '' ? 'ws' : 'wss';
  return `${scheme}://${httpAddress}/mqtt`;
}
