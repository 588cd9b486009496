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
  call METHOD [JSON | -]
                  calls a method of the API of a Penstock that runs, and prints the answer: penstock call --help
  export ID… | --all
                  prints integrations as YAML: penstock export --help
  apply -f FILE   makes integrations as a file of YAML says: penstock apply --help
  settings        every setting, what it is for, and its value now
  admin create-token --name NAME --role viewer|operator|editor|admin [--expires 90d] [--note TEXT]
                  makes an API token, and prints it; with the settings of a control plane
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
  /** Of the token that `admin create-token` makes. */
  readonly token: Partial<Record<TokenOption, string>>;
}

const TOKEN_OPTIONS = ['name', 'role', 'expires', 'note'] as const;
type TokenOption = (typeof TOKEN_OPTIONS)[number];

const OF_TOKENS = Object.fromEntries(TOKEN_OPTIONS.map((name) => [name, { type: 'string' as const }]));

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
        ...(command === 'admin create-token' && OF_TOKENS),
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
    const ofToken: Partial<Record<string, string | boolean>> = values;
    const token = Object.fromEntries(
      TOKEN_OPTIONS.flatMap((option) =>
        ofToken[option] === undefined ? [] : [[option, String(ofToken[option])]],
      ),
    );
    return { help: values.help ?? false, given, token };
  } catch (error) {
    throw new UserError(`${messageOf(error)} (penstock --help)`, { cause: error });
  }
}
