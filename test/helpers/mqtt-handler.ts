import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Envelope, EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import type { MqttConfigurationSchema } from '../../gen/penstock/v1/mqtt_pb.ts';
import type { Outbound } from '../../src/executor/handlers/handler.ts';

export type MqttInit = Exclude<MessageInitShape<typeof MqttConfigurationSchema>, { $typeName: string }>;

/** A configuration for a broker on 127.0.0.1: payload only, QoS 1, back at once after a loss. */
export const toBroker = (port: number, value: MqttInit = {}) => ({
  case: 'mqtt' as const,
  value: {
    host: '127.0.0.1',
    port,
    qos: 1,
    sendOnlyMsgPayload: true,
    reconnectPeriod: { nanos: 50_000_000 },
    ...value,
  },
});

/** A message of its own making. */
export function message(init: Exclude<MessageInitShape<typeof EnvelopeSchema>, Envelope>): Outbound {
  const defaults = { topicName: 'a/b', clientId: 'c', payload: Buffer.from('hello') };
  return { envelope: create(EnvelopeSchema, { ...defaults, ...init }), partition: 3, offset: 7, key: null };
}
