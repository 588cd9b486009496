import { type KafkaConfiguration, KafkaSaslMechanism } from '../../../../gen/penstock/v1/kafka_pb.ts';
import { HOPS } from '../../../contract/hops.ts';
import { templateProblem } from '../../../contract/template.ts';
import type { FieldViolation } from '../../../contract/validate.ts';
import { messageOf } from '../../../runtime/logger.ts';
import type { TargetGuard } from '../../../runtime/target-guard.ts';
import { tlsProblem } from '../tls.ts';
import { certificatesOf } from './client.ts';
import { readOtherProperties } from './other-properties.ts';
import { optionsOf } from './resolve-options.ts';

/** Every problem of a configuration that the schema's rules cannot see. */
export function validate(config: KafkaConfiguration, guard: TargetGuard): readonly FieldViolation[] {
  const violations: FieldViolation[] = [];
  const add = (field: string, description: string | undefined, reason: string) => {
    if (description !== undefined) violations.push({ field, description, reason });
  };
  for (const [i, server] of config.bootstrapServers.entries()) {
    add(`bootstrap_servers[${i}]`, serverProblem(server, guard), 'KAFKA_BOOTSTRAP_SERVERS');
  }
  const endpoint = config.sasl?.tokenEndpointUrl ?? '';
  if (URL.canParse(endpoint)) {
    add(
      'sasl.token_endpoint_url',
      refusal(new URL(endpoint).hostname, guard),
      'KAFKA_SASL_TOKEN_ENDPOINT_URL',
    );
  }
  add('key', templateProblem(config.key ?? ''), 'KAFKA_KEY_TEMPLATE');
  for (const [i, { key, value }] of config.kafkaHeaders.entries()) {
    const taken = key === HOPS ? 'is set for every record: use another name' : undefined;
    add(`kafka_headers[${i}].key`, taken, 'KAFKA_HEADERS_KEY');
    add(`kafka_headers[${i}].value`, templateProblem(value), 'KAFKA_HEADERS_TEMPLATE');
  }
  add('body_template', bodyProblem(config), 'KAFKA_BODY_TEMPLATE');
  add('tls', tlsProblem(certificatesOf(config, optionsOf(config))), 'KAFKA_TLS');
  return [...violations, ...saslViolations(config), ...propertyViolations(config)];
}

function serverProblem(server: string, guard: TargetGuard): string | undefined {
  const at = server.lastIndexOf(':');
  const port = Number(server.slice(at + 1));
  if (port < 1 || port > 65_535) return 'must have a port from 1 to 65535';
  return refusal(server.slice(0, at), guard);
}

/** Why connections may not go to this host; undefined: they may, as far as can be seen without looking up its name. */
function refusal(host: string, guard: TargetGuard): string | undefined {
  try {
    guard.checkLiteral(host);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function bodyProblem({ bodyTemplate, sendOnlyMsgPayload }: KafkaConfiguration): string | undefined {
  if (bodyTemplate !== '' && sendOnlyMsgPayload) return 'send_only_msg_payload is there, too: keep one';
  return templateProblem(bodyTemplate);
}

function saslViolations({ sasl }: KafkaConfiguration): readonly FieldViolation[] {
  if (!sasl) return [];
  const isToken = sasl.mechanism === KafkaSaslMechanism.OAUTHBEARER;
  const problems: Readonly<Record<string, string | false>> = {
    password: !sasl.password && (isToken ? "is needed: the client's secret" : 'is needed for this mechanism'),
    token_endpoint_url: isToken
      ? !URL.canParse(sasl.tokenEndpointUrl) &&
        'is needed for OAUTHBEARER: a URL such as https://example.com/oauth2/token'
      : sasl.tokenEndpointUrl !== '' && 'is for OAUTHBEARER alone: leave it out',
    scopes: !isToken && sasl.scopes.length > 0 && 'are for OAUTHBEARER alone: leave them out',
  };
  return Object.entries(problems).flatMap(([field, description]) =>
    description ? [{ field: `sasl.${field}`, description, reason: 'KAFKA_SASL' }] : [],
  );
}

/** What is wrong with the other properties, by themselves and with one another. */
function propertyViolations(config: KafkaConfiguration): readonly FieldViolation[] {
  const { violations } = readOtherProperties(config);
  const { acks, idempotence, maxIdle, requestTimeout, deliveryTimeout, linger, isTls } = optionsOf(config);
  const contradictions: Record<string, string | false> = {
    'enable.idempotence': idempotence === true && acks !== -1 && 'needs acks=all',
    'connections.max.idle.ms':
      maxIdle <= requestTimeout && `must be more than request.timeout.ms (${requestTimeout})`,
    'delivery.timeout.ms':
      deliveryTimeout < linger + requestTimeout &&
      `must be at least linger and request.timeout.ms together (${linger + requestTimeout})`,
  };
  if (!config.tls && !isTls) {
    for (const name of Object.keys(config.otherProperties)) {
      if (name.startsWith('ssl.'))
        contradictions[name] = 'needs TLS: set security.protocol, or the field tls';
    }
  }
  const told = new Set(violations.map(({ field }) => field));
  return [
    ...violations,
    ...Object.entries(contradictions).flatMap(([name, description]) => {
      const field = `other_properties[${JSON.stringify(name)}]`;
      return description && !told.has(field)
        ? [{ field, description, reason: 'KAFKA_OTHER_PROPERTIES' }]
        : [];
    }),
  ];
}
