import { parseArgs } from 'node:util';
import { messageOf } from './runtime/logger.ts';
import type { SettingName } from './runtime/settings.ts';
import { UserError } from './runtime/user-error.ts';

export const USAGE = `penstock <command> [options]

Commands
  dev             everything in one process, with a Kafka and a PostgreSQL of its own (npm start)
  demo            the same, and then a story to watch: publish, deliver, print (npm run demo)
  control-plane   the gRPC and JSON API
  ingress         takes MQTT messages in
  executor        delivers
  start           the role of TB_SERVICE_TYPE: tbmq = control plane and ingress,
                  tbmq-integration-executor = executor
  settings        every setting, what it is for, and its value now
  admin rotate-keys
                  encrypts the secrets of integrations anew with the first key, while everything runs;
                  with the settings of a control plane

Options
  --grpc-port N   the gRPC port (PENSTOCK_GRPC_PORT, 9090)
  --http-port N   the port of JSON over HTTP, /metrics and /health (PENSTOCK_HTTP_PORT, 8080)
  --mqtt-port N   the MQTT port (PENSTOCK_MQTT_PORT, 1883)
  --data-dir DIR  dev, demo: where data is kept (PENSTOCK_DATA_DIR, .penstock)
  --help          this text

A port of 0 means any free one. Everything else is set by environment variables: penstock settings.
control-plane, ingress and executor need a Kafka (TB_KAFKA_SERVERS), control-plane a PostgreSQL (PENSTOCK_POSTGRES_URL);
dev and demo use these instead of their own when they are set.`;

const OPTIONS = {
  'grpc-port': 'PENSTOCK_GRPC_PORT',
  'http-port': 'PENSTOCK_HTTP_PORT',
  'mqtt-port': 'PENSTOCK_MQTT_PORT',
  'data-dir': 'PENSTOCK_DATA_DIR',
} as const satisfies Record<string, SettingName>;

export interface Options {
  readonly help: boolean;
  /** Settings that were given as options. */
  readonly given: Partial<Record<SettingName, string>>;
}

/** @throws UserError when an option is not known, lacks its value, or does not belong to the command */
export function parseOptions(command: string | undefined, args: readonly string[]): Options {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean', short: 'h' },
        'grpc-port': { type: 'string' },
        'http-port': { type: 'string' },
        'mqtt-port': { type: 'string' },
        'data-dir': { type: 'string' },
      },
    });
    if (values['data-dir'] !== undefined && command !== 'dev' && command !== 'demo') {
      throw new Error('--data-dir belongs to dev and demo');
    }
    const given: Partial<Record<SettingName, string>> = {};
    for (const [option, setting] of Object.entries(OPTIONS)) {
      const value = values[option as keyof typeof OPTIONS];
      if (value !== undefined) given[setting] = value;
    }
    return { help: values.help ?? false, given };
  } catch (error) {
    throw new UserError(`${messageOf(error)} (penstock --help)`, { cause: error });
  }
}
