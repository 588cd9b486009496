import {
  type MqttConfiguration,
  type MqttStaticClientId,
  MqttVersion,
} from '../../../../gen/penstock/v1/mqtt_pb.ts';
import type { HandlerContext } from '../handler.ts';

/** Who a connection is to the broker. */
export interface Identity {
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
}

type Place = Pick<HandlerContext, 'integrationName' | 'serviceId' | 'shard' | 'shards' | 'random'>;

/** MQTT 3.1 section 3.1: a server may refuse longer ones. */
const LONGEST_OF_3_1 = 23;
const LONGEST_NAME = 64;

/**
 * One for each connection of this share of the integration. No two shares ever have the same, wherever they run.
 * @throws when the static client ids leave none for this share on this executor
 */
export function identitiesOf(config: MqttConfiguration, place: Place): readonly Identity[] {
  if (config.staticClientIds.length > 0) return staticIdentities(config, place);
  const credentials = userOf(config);
  const clientId = config.clientId === '' ? freshClientId(config, place) : fixedClientId(config, place);
  return Array.from({ length: config.poolSize ?? 1 }, (_, i) => ({
    ...credentials,
    clientId: clientId(i + 1),
  }));
}

/** The identity of a check: never one that a running connection has, which the broker would cut. */
export function checkIdentities(
  config: MqttConfiguration,
  { random }: Pick<Place, 'random'>,
): readonly Identity[] {
  const clientId = () => `penstock-check-${eight(random)}`;
  if (config.staticClientIds.length === 0) return [{ ...userOf(config), clientId: clientId() }];
  const users = new Map(
    config.staticClientIds.map((entry) => [JSON.stringify([entry.username, entry.password]), entry]),
  );
  return [...users.values()].map((entry) => ({ ...userOf(config, entry), clientId: clientId() }));
}

/** `<client_id>`, with `-<shard>` for every shard but the first, and `:<n>` in a pool. */
function fixedClientId(
  { clientId, poolSize = 1 }: MqttConfiguration,
  { shard }: Place,
): (n: number) => string {
  const own = shard === 0 ? clientId : `${clientId}-${shard}`;
  return (n) => (poolSize === 1 ? own : `${own}:${n}`);
}

/** `[prefix:]name<8 random>:n`. The name is what gives way where ids have to be short. */
function freshClientId(config: MqttConfiguration, { integrationName, random }: Place): (n: number) => string {
  const prefix = config.clientIdPrefix === '' ? '' : `${config.clientIdPrefix}:`;
  const unique = eight(random);
  const rest = prefix.length + unique.length + `:${config.poolSize ?? 1}`.length;
  const room = config.mqttVersion === MqttVersion.MQTT_VERSION_3_1 ? LONGEST_OF_3_1 - rest : LONGEST_NAME;
  const name = integrationName.replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, Math.max(0, room));
  return (n) => `${prefix}${name}${unique}:${n}`;
}

/** Those for this executor and those for any, shared out among the shards so that each has an owner at most. */
function staticIdentities(config: MqttConfiguration, place: Place): readonly Identity[] {
  const { serviceId, shard, shards } = place;
  const entriesFor = (id: string) => config.staticClientIds.filter((entry) => entry.serviceId === id);
  const entries = [serviceId, ''].flatMap((id) => entriesFor(id).filter((_, i) => i % shards === shard));
  if (entries.length === 0) {
    const share = shards > 1 ? ` that is left for share ${shard + 1} of ${shards}` : '';
    throw new Error(
      `static_client_ids has none for executor ${serviceId}${share}: add at least ${shards} for it, or for any executor`,
    );
  }
  return entries.map((entry) => ({ ...userOf(config, entry), clientId: entry.clientId }));
}

/** The user name and password of the entry, or of the configuration's credentials. */
function userOf(config: MqttConfiguration, entry?: MqttStaticClientId): Omit<Identity, 'clientId'> {
  const basic = config.credentials?.credentials;
  const { username, password } = entry?.username
    ? entry
    : basic?.case === 'basic'
      ? basic.value
      : { username: '' };
  if (username === '') return {};
  return { username, ...(password === undefined ? {} : { password }) };
}

const eight = (random: () => number) =>
  Math.floor(random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0');
