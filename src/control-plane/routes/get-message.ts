import type { MessageInitShape } from '@bufbuild/protobuf';
import { EnvelopeSchema } from '../../../gen/penstock/v1/envelope_pb.ts';
import type {
  GetMessageRequest,
  GetMessageResponseSchema,
  LoggedMessage,
} from '../../../gen/penstock/v1/message_log_service_pb.ts';
import { decoder } from '../../bus/codec.ts';
import { notFound } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import { findInScope } from '../access/scope.ts';
import { kafkaError } from '../integrations/checks.ts';
import { requireTopic } from '../integrations/guards.ts';
import { loggedMessage, placeOf } from '../messages/logged-message.ts';
import { withOutcomes } from '../messages/outcomes.ts';
import type { RouteDeps } from './deps.ts';

const DEFAULT_PAYLOAD = 1 << 20;

export async function getMessage(
  deps: RouteDeps,
  { integrationId, id, maxPayloadBytes }: GetMessageRequest,
  { caller, signal }: CallContext,
): Promise<MessageInitShape<typeof GetMessageResponseSchema>> {
  requireTopic(await findInScope(deps.db, caller, integrationId));
  try {
    const found = await readMessage(deps, integrationId, id, maxPayloadBytes || DEFAULT_PAYLOAD, signal);
    const [message] = found ? await withOutcomes(deps, integrationId, [found], [], signal) : [];
    if (message) return { message };
  } catch (error) {
    throw kafkaError(error);
  }
  throw notFound(`message ${id} of integration ${integrationId}`);
}

async function readMessage(
  deps: RouteDeps,
  integrationId: string,
  id: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<LoggedMessage | undefined> {
  const { name: topic } = deps.topics.messages(integrationId);
  const { partition, offset } = placeOf(id);
  if (!(await deps.bus.offsets(topic)).has(partition)) return undefined;
  const decode = decoder(EnvelopeSchema, deps);
  let found: LoggedMessage | undefined;
  await deps.bus.read({
    topic,
    ranges: new Map([[partition, { start: offset, end: offset + 1 }]]),
    signal,
    async eachBatch(records) {
      for (const record of records) {
        const envelope = decode(record);
        if (envelope) found = loggedMessage(record, envelope, maxBytes);
      }
    },
  });
  return found;
}
