import { integer, MS, PORT, type Setting, text } from './setting.ts';

/** What the MQTT listener of an ingress takes. */
export const MQTT_SETTINGS = {
  PENSTOCK_MQTT_PORT: integer(1883, 'The MQTT port; 0 = any free one.', PORT),
  PENSTOCK_MQTT_WEBSOCKET_URL: webSocketUrl(
    'Where clients reach MQTT over WebSocket of an ingress, such as wss://mqtt.example.com/mqtt; told by GetSystem and ListNodes. Unset: /mqtt at the HTTP port of PENSTOCK_BIND_ADDRESS, or nowhere where that is every address.',
  ),
  PENSTOCK_MQTT_MAX_PACKET_BYTES: integer(1_048_576, 'The largest MQTT packet taken in.', {
    unit: 'bytes',
    min: 1024,
    max: 16_777_216,
  }),
  PENSTOCK_MQTT_MAX_CONNECTIONS: integer(10_000, 'MQTT connections at a time.', { min: 1 }),
  PENSTOCK_MQTT_MAX_MEMORY_BYTES: integer(
    268_435_456,
    'What MQTT clients may make an ingress hold: unfinished packets, wills, sessions, messages on their way.',
    { unit: 'bytes', min: 16_777_216 },
  ),
  PENSTOCK_MQTT_CONNECT_TIMEOUT: integer(
    10_000,
    'How long an MQTT client may take from the opening of its socket to the end of its CONNECT.',
    { ...MS, min: 100 },
  ),
  PENSTOCK_MQTT_PACKET_TIMEOUT: integer(
    60_000,
    'How long an MQTT client may take from the first byte of a packet to its last.',
    { ...MS, min: 1000 },
  ),
};

function webSocketUrl(help: string): Setting<string> {
  return {
    ...text('', help),
    read(value) {
      const url = URL.parse(value);
      const isRight =
        url && /^wss?:$/.test(url.protocol) && `${url.username}${url.password}${url.hash}` === '';
      if (!isRight) throw new Error('must be a URL with ws or wss: wss://mqtt.example.com/mqtt');
      return url.href;
    },
  };
}
