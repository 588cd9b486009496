import type { MqttConfiguration } from '../../../../gen/penstock/v1/mqtt_pb.ts';
import { templateProblem } from '../../../contract/template.ts';
import type { FieldViolation } from '../../../contract/validate.ts';
import { messageOf } from '../../../runtime/logger.ts';
import type { TargetGuard } from '../../../runtime/target-guard.ts';
import type { HandlerType } from '../handler.ts';
import { tlsProblem } from '../tls.ts';
import { check, fieldOf } from './check.ts';
import { MqttHandler } from './mqtt-handler.ts';
import { isWebSocket } from './stream.ts';

/**
 * MQTT brokers: one PUBLISH a message, as many of a lane as the window takes. Packs would be slow: mosquitto sends its first
 * acknowledgement, and the next ones only when TCP has acknowledged that, which the next PUBLISH does at once; after a whole
 * pack it takes 40 ms.
 */
export const mqtt: HandlerType<'mqtt'> = {
  pack: () => ({ maxMessages: 1, maxBytes: Number.POSITIVE_INFINITY, runs: 'across' }),
  validate,
  check,
  fieldOf,
  create: (config, context) => new MqttHandler(config, context),
};

function validate(config: MqttConfiguration, guard: TargetGuard): readonly FieldViolation[] {
  const violations: FieldViolation[] = [];
  const add = (field: string, description: string | undefined) => {
    if (description === undefined) return;
    const reason = `MQTT_${field.replaceAll(/[^a-z0-9]+/g, '_').toUpperCase()}`;
    violations.push({ field, description, reason });
  };
  add('host', hostProblem(config, guard));
  add('topic_name', templateProblem(config.topicName));
  add('body_template', templateProblem(config.bodyTemplate));
  if (config.bodyTemplate !== '' && config.sendOnlyMsgPayload) {
    add('body_template', 'is not used with send_only_msg_payload: leave one of them out');
  }
  if (config.websocketPath !== '' && !isWebSocket(config)) {
    add('websocket_path', 'is used only over WebSocket: set transport, or leave it out');
  }
  validateTls(config, add);
  validateClientIds(config, add);
  return violations;
}

type Add = (field: string, description: string | undefined) => void;

function hostProblem({ host }: MqttConfiguration, guard: TargetGuard): string | undefined {
  try {
    guard.checkLiteral(host);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function validateTls({ ssl, tls, credentials }: MqttConfiguration, add: Add): void {
  const pem = credentials?.credentials.case === 'pem' ? credentials.credentials.value : undefined;
  if (pem) add('credentials.pem', ssl ? tlsProblem(pem) : 'is used only with TLS: set ssl, or leave it out');
  if (tls) add('tls', ssl ? tlsProblem(tls) : 'is used only with TLS: set ssl, or leave it out');
  if (pem && tls) add('tls', 'is not used with credentials.pem: leave one of them out');
}

function validateClientIds(config: MqttConfiguration, add: Add): void {
  const { clientId, clientIdPrefix, poolSize, staticClientIds } = config;
  if (clientId !== '' && clientIdPrefix !== '') {
    add('client_id_prefix', 'is used only without client_id: leave one of them out');
  }
  if (staticClientIds.length === 0) return;
  const replaced = 'is not used with static_client_ids: leave one of them out';
  if (clientId !== '') add('client_id', replaced);
  if (clientIdPrefix !== '') add('client_id_prefix', replaced);
  if (poolSize !== undefined) add('pool_size', replaced);
  for (const [i, { username, password }] of staticClientIds.entries()) {
    if (username === '' && password !== undefined) {
      add(`static_client_ids[${i}].username`, 'is missing beside the password');
    }
  }
}
