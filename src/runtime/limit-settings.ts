import { integer, type Setting } from './setting.ts';

/** What an integration may ask for of a node. */
export const LIMIT_SETTINGS = {
  PENSTOCK_LIMIT_IN_FLIGHT: integer(
    10_000,
    'The most that an integration may ask for: messages or requests on their way, or in one batch.',
    { min: 1 },
  ),
  PENSTOCK_LIMIT_CONNECTIONS: integer(
    1000,
    'The most connections that an integration may have on an executor to an HTTP endpoint or an MQTT broker.',
    { min: 1 },
  ),
  PENSTOCK_LIMIT_BATCH_BYTES: integer(16_777_216, 'The largest batch that an integration may ask for.', {
    unit: 'bytes',
    min: 1,
  }),
  PENSTOCK_LIMIT_BUFFER_BYTES: integer(
    1_073_741_824,
    'The most memory that an integration may ask for: to keep records until they are sent, for one request, or for one answer.',
    { unit: 'bytes', min: 65_536 },
  ),
  PENSTOCK_LIMIT_HEADERS: integer(
    100,
    'The most headers, secret headers, record headers and metadata that an integration may have, of each.',
  ),
  PENSTOCK_LIMIT_EXECUTORS: integer(
    128,
    'The most executors that an integration may spread over, each of which is a partition on Kafka.',
    { min: 1 },
  ),
} satisfies Record<string, Setting<number>>;
