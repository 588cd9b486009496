import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  PurgeDeadLettersRequest,
  PurgeDeadLettersResponseSchema,
} from '../../../gen/penstock/v1/dead_letter_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { findInScope } from '../access/scope.ts';
import { countAgain } from '../dead-letters/dead-letter-counts.ts';
import { deadLetterRanges } from '../dead-letters/dead-letters.ts';
import { noticeRemoved } from '../dead-letters/removed-dead-letters.ts';
import { kafkaError } from '../integrations/checks.ts';
import { lockUnredriven } from '../integrations/guards.ts';
import { keepStart } from '../store/redriven.ts';
import type { RouteDeps } from './deps.ts';

export async function purgeDeadLetters(
  deps: RouteDeps,
  { integrationId }: PurgeDeadLettersRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof PurgeDeadLettersResponseSchema>> {
  const { db, bus, topics } = deps;
  await findInScope(db, caller, integrationId);
  await using _lock = await lockUnredriven(deps, integrationId);
  await findInScope(db, caller, integrationId); // the lock may have taken a while
  try {
    const all = await deadLetterRanges(deps, integrationId);
    await noticeRemoved(deps, integrationId, all);
    const ranges = [...all].filter(([, { start, end }]) => start < end);
    if (ranges.length === 0) return { purged: 0n };
    const ends = new Map(ranges.map(([partition, { end }]) => [partition, end]));
    await bus.deleteRecords(topics.deadLetters(integrationId).name, ends);
    for (const [partition, end] of ends) await keepStart(db, integrationId, partition, end);
    await countAgain(deps, integrationId).catch(() => {}); // else it is counted a little later
    return { purged: BigInt(ranges.reduce((sum, [, { start, end }]) => sum + end - start, 0)) };
  } catch (error) {
    throw kafkaError(error);
  }
}
