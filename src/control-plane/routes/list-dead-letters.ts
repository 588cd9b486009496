import { fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type {
  ListDeadLettersRequest,
  ListDeadLettersResponseSchema,
  ListedDeadLetterSchema,
} from '../../../gen/penstock/v1/dead_letter_service_pb.ts';
import { DeadLetterSchema } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { kafkaError } from '../checks.ts';
import { deadLetterId, envelopeIn, requireFilter } from '../dead-letter-filter.ts';
import { deadLetterRanges, findDeadLetters } from '../dead-letters.ts';
import { unknownIntegration } from '../guards.ts';
import { type KeptDeadLetter, NewestDeadLetters } from '../newest-dead-letters.ts';
import { deadLetterPositionOf, deadLetterToken, pageSizeOf } from '../page.ts';
import { findIntegration } from '../store/integrations.ts';
import type { RouteDeps } from './deps.ts';

/** A larger one is shown without its envelope decoded, so that the answer stays within what gRPC carries. */
const MAX_DECODED_BYTES = 4 << 20;

/** Reads all of the topic, as it is when the call comes: the filter is not one that Kafka knows. */
export async function listDeadLetters(
  deps: RouteDeps,
  { integrationId, filter, pageSize, pageToken }: ListDeadLettersRequest,
  { signal }: CallContext,
): Promise<MessageInitShape<typeof ListDeadLettersResponseSchema>> {
  requireFilter(filter);
  const page = new NewestDeadLetters(pageSizeOf(pageSize), deadLetterPositionOf(pageToken));
  if (!(await findIntegration(deps.db, integrationId))) throw unknownIntegration(integrationId);
  let total = 0;
  try {
    const ranges = await deadLetterRanges(deps, integrationId);
    await findDeadLetters(deps, integrationId, { filter, ranges }, signal, async (found) => {
      total += found.length;
      for (const one of found) page.offer(one);
    });
  } catch (error) {
    throw kafkaError(error);
  }
  const { kept } = page;
  const last = kept.at(-1);
  return {
    deadLetters: kept.map(toListed),
    totalSize: BigInt(total),
    ...(page.isMore && last && { nextPageToken: deadLetterToken(last) }),
  };
}

function toListed(one: KeptDeadLetter): MessageInitShape<typeof ListedDeadLetterSchema> {
  const { partition, offset, value, redrivenTime } = one;
  const deadLetter = fromBinary(DeadLetterSchema, value);
  const envelope = value.byteLength > MAX_DECODED_BYTES ? undefined : envelopeIn(deadLetter);
  return {
    id: deadLetterId(partition, offset),
    deadLetter,
    ...(envelope && { envelope }),
    ...(redrivenTime && { redrivenTime: timestampFromDate(redrivenTime) }),
  };
}
