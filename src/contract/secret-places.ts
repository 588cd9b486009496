import type { HttpConfiguration } from '../../gen/penstock/v1/http_pb.ts';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import type { KafkaConfiguration } from '../../gen/penstock/v1/kafka_pb.ts';
import { type MqttConfiguration, MqttTransport } from '../../gen/penstock/v1/mqtt_pb.ts';
import type { ConfigOf, Type } from './integration-type.ts';
import { setSecretPaths } from './secrets.ts';
import type { FieldViolation } from './validate.ts';

/** Where a secret goes, and what guards it on its way, by the fields that say so. */
type Place = Readonly<Record<string, readonly string[]>>;
type Places<T extends Type> = Readonly<Record<string, (config: ConfigOf<T>) => Place>>;

/** Scheme, host and port of a URL, whose path may be a template. */
function originOf(url: string): string {
  const origin = /^[^/]*\/\/[^/?#]*/.exec(url)?.[0] ?? url;
  return URL.parse(origin)?.origin ?? url;
}

const proxy = ({ proxyUrl, tls }: HttpConfiguration): Place => ({
  proxy_url: [originOf(proxyUrl)],
  'tls.ca_cert': [tls?.caCert ?? ''],
});

const endpoint = (config: HttpConfiguration): Place => {
  const { credentials } = config.credentials ?? {};
  return {
    ...proxy(config),
    rest_endpoint_url: [originOf(config.restEndpointUrl)],
    'credentials.pem.ca_cert': [credentials?.case === 'pem' ? credentials.value.caCert : ''],
  };
};

/** What the secret is given for, an access token, goes to the endpoint. */
const tokenEndpoint = (config: HttpConfiguration): Place => {
  const { credentials } = config.credentials ?? {};
  const url = credentials?.case === 'oauth2' ? credentials.value.tokenUrl : '';
  return { ...endpoint(config), 'credentials.oauth2.token_url': [originOf(url)] };
};

const mqttBroker = ({ host, port, ssl, transport, tls, credentials }: MqttConfiguration): Place => {
  const isWebSocket = transport === MqttTransport.WEBSOCKET;
  const defaultPort = isWebSocket ? (ssl ? 443 : 80) : ssl ? 8883 : 1883;
  const pem = credentials?.credentials;
  return {
    host: [host.toLowerCase()],
    port: [String(port ?? defaultPort)],
    ssl: [String(ssl)],
    'tls.ca_cert': [tls?.caCert ?? ''],
    'credentials.pem.ca_cert': [pem?.case === 'pem' ? pem.value.caCert : ''],
  };
};

/** Properties that say how brokers are spoken to, such as whether their certificates are looked at. */
const TRANSPORT_PROPERTY = /^(ssl|sasl|security)\./;

const kafkaCluster = ({ bootstrapServers, tls, sasl, otherProperties }: KafkaConfiguration): Place => ({
  bootstrap_servers: bootstrapServers.map((server) => server.toLowerCase()),
  tls: [String(tls !== undefined)],
  'tls.ca_cert': [tls?.caCert ?? ''],
  'sasl.mechanism': [String(sasl?.mechanism)],
  'sasl.token_endpoint_url': [originOf(sasl?.tokenEndpointUrl ?? '')],
  other_properties: [
    JSON.stringify(
      Object.entries(otherProperties)
        .filter(([name]) => TRANSPORT_PROPERTY.test(name))
        .toSorted(),
    ),
  ],
});

/** The places of every secret of a type. A type or a secret that is not here keeps no secrets. */
const PLACES: { readonly [T in Type]: Places<T> } = {
  http: {
    'credentials.basic.password': endpoint,
    'credentials.pem.private_key': endpoint,
    'credentials.pem.private_key_password': endpoint,
    'credentials.bearer.token': endpoint,
    'credentials.oauth2.client_secret': tokenEndpoint,
    'proxy_credentials.password': proxy,
    'tls.private_key': endpoint,
    'tls.private_key_password': endpoint,
    'secret_headers.value': endpoint,
  },
  mqtt: {
    'credentials.basic.password': mqttBroker,
    'credentials.pem.private_key': mqttBroker,
    'credentials.pem.private_key_password': mqttBroker,
    'tls.private_key': mqttBroker,
    'tls.private_key_password': mqttBroker,
    'static_client_ids.password': mqttBroker,
  },
  kafka: {
    'sasl.password': kafkaCluster,
    'tls.private_key': kafkaCluster,
    'tls.private_key_password': kafkaCluster,
  },
};

/** The paths of all secrets whose place is known, e.g. `mqtt.static_client_ids.password`. */
export const PLACED_SECRETS: readonly string[] = Object.entries(PLACES).flatMap(([type, places]) =>
  Object.keys(places).map((path) => `${type}.${path}`),
);

/**
 * The secrets of `next`, as a request holds it, that it has from `stored` although they would go elsewhere, or less well guarded, than where they
 * were given for: whoever may change an integration is not to learn its secrets. `given`: the paths of those that are new.
 */
export function movedSecrets(
  next: Integration,
  stored: Integration,
  given: readonly string[],
): readonly FieldViolation[] {
  const kept = setSecretPaths(IntegrationSchema, next).filter((path) => !given.includes(path));
  return kept.flatMap((path) => {
    const changed = changedFields(path, next, stored);
    if (changed.length === 0) return [];
    const because = `${changed.join(', ')} changed, and what is stored is sent only to where it was given for`;
    const description = `must be given again: ${because}`;
    return [{ field: `integration.${path}`, description, reason: 'SECRET_NEEDED_AGAIN' }];
  });
}

/** The path of a secret without what identifies the items of lists in it. */
export const withoutItems = (path: string): string => path.replaceAll(/\["(?:[^"\\]|\\.)*"\]/g, '');

function changedFields(path: string, next: Integration, stored: Integration): readonly string[] {
  const [type = '', ...rest] = withoutItems(path).split('.');
  const [after, before] = [next, stored].map(({ configuration }) => {
    if (configuration.case !== type) return undefined;
    const places = PLACES[configuration.case] as Places<Type> | undefined;
    return places?.[rest.join('.')]?.(configuration.value as ConfigOf<Type>);
  });
  if (after === undefined || before === undefined) return ['the version of Penstock'];
  return Object.keys(after).filter((field) => after[field]?.some((value) => !before[field]?.includes(value)));
}
