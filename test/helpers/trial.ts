import { create } from '@bufbuild/protobuf';
import type { DeliveryTrial } from '../../gen/penstock/v1/check_pb.ts';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { handlerTypeOf } from '../../src/executor/handlers/registry.ts';
import { tryDelivery } from '../../src/executor/trial.ts';
import { contextOf } from './handler.ts';
import type { Configuration } from './peer.ts';

/** An integration with this configuration, and what runs it. */
export function typeOf(configuration: Configuration) {
  const integration = create(IntegrationSchema, { name: 'n', topicFilters: ['#'], configuration });
  const type = handlerTypeOf(integration)!;
  return { integration, type, prefix: configuration.case! };
}

/** Has one message delivered once, with QoS 1. */
export async function tried(
  configuration: Configuration,
  payload: string,
  signal = AbortSignal.timeout(20_000),
): Promise<DeliveryTrial> {
  const { type, integration } = typeOf(configuration);
  const envelope = create(EnvelopeSchema, { topicName: 'a/b', qos: 1, payload: Buffer.from(payload) });
  return await tryDelivery(type, { integration, envelope }, contextOf(), signal);
}
