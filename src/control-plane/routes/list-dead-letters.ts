import { fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type {
  ListDeadLettersRequest,
  ListDeadLettersResponseSchema,
  ListedDeadLetterSchema,
} from '../../../gen/penstock/v1/dead_letter_service_pb.ts';
import { DeadLetterSchema } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { findInScope } from '../access/scope.ts';
import { deadLetterId, envelopeIn, requireFilter } from '../dead-letters/dead-letter-filter.ts';
import { deadLetterPage } from '../dead-letters/dead-letter-page.ts';
import type { KeptDeadLetter } from '../dead-letters/newest-dead-letters.ts';
import { kafkaError } from '../integrations/checks.ts';
import { deadLetterPageStartOf, deadLetterToken, listOf, pageSizeOf } from '../page.ts';
import type { RouteDeps } from './deps.ts';

/** A larger one is shown without its envelope decoded, so that the answer stays within what gRPC carries. */
const MAX_DECODED_BYTES = 4 << 20;

export async function listDeadLetters(
  deps: RouteDeps,
  request: ListDeadLettersRequest,
  { caller, signal }: CallContext,
): Promise<MessageInitShape<typeof ListDeadLettersResponseSchema>> {
  const { integrationId, filter, pageSize, pageToken } = request;
  requireFilter(filter);
  const list = listOf(request);
  const from = deadLetterPageStartOf(list, pageToken);
  await findInScope(deps.db, caller, integrationId);
  try {
    const wanted = { filter, size: pageSizeOf(pageSize), from };
    const { kept, total, next } = await deadLetterPage(deps, integrationId, wanted, signal);
    return {
      deadLetters: kept.map(toListed),
      totalSize: BigInt(total),
      ...(next && { nextPageToken: deadLetterToken(list, next) }),
    };
  } catch (error) {
    throw kafkaError(error);
  }
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
