import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type {
  ListMessagesRequest,
  ListMessagesResponseSchema,
} from '../../../gen/penstock/v1/message_log_service_pb.ts';
import type { OffsetRange } from '../../bus/bus.ts';
import type { CallContext } from '../../rpc/service.ts';
import { findInScope } from '../access/scope.ts';
import { kafkaError } from '../integrations/checks.ts';
import { requireTopic } from '../integrations/guards.ts';
import { placeOf } from '../messages/logged-message.ts';
import { requireMessageFilter } from '../messages/message-filter.ts';
import { messagePage } from '../messages/message-page.ts';
import { DEFAULT_PAYLOAD } from '../messages/message-watch.ts';
import { withOutcomes } from '../messages/outcomes.ts';
import { listOf, offsetsOf, offsetsToken, pageSizeOf } from '../page.ts';
import type { RouteDeps } from './deps.ts';

type Ranges = ReadonlyMap<number, OffsetRange>;

export async function listMessages(
  deps: RouteDeps,
  request: ListMessagesRequest,
  { caller, signal }: CallContext,
): Promise<MessageInitShape<typeof ListMessagesResponseSchema>> {
  const { integrationId, filter, pageSize, pageToken, maxPayloadBytes } = request;
  requireMessageFilter(filter);
  const list = listOf(request);
  const from = offsetsOf(list, pageToken);
  requireTopic(await findInScope(deps.db, caller, integrationId));
  const isBackward = isBackwardFrom(request);
  try {
    const ranges = from ? await rest(deps, request, from) : await rangesFrom(deps, request);
    const payloadBytes = maxPayloadBytes || DEFAULT_PAYLOAD;
    const wanted = { filter, size: pageSizeOf(pageSize), payloadBytes, ranges, isBackward };
    const page = await messagePage(deps, integrationId, wanted, signal);
    const next = [...page.rest].map(
      ([partition, { start, end }]) => [partition, isBackward ? end : start] as const,
    );
    return {
      messages: await withOutcomes(deps, integrationId, page.messages, filter?.stages ?? [], signal),
      ...(next.length > 0 && { nextPageToken: offsetsToken(list, next) }),
    };
  } catch (error) {
    throw kafkaError(error);
  }
}

const isBackwardFrom = ({ position }: ListMessagesRequest): boolean =>
  position.case === undefined || (position.case === 'oldest' && !position.value);

/** What the first page begins with. */
async function rangesFrom(
  { bus, topics }: RouteDeps,
  { integrationId, position }: ListMessagesRequest,
): Promise<Ranges> {
  const { name } = topics.messages(integrationId);
  const there = await bus.offsets(name);
  if (position.case === 'startTime') {
    const starts = await bus.offsetsAt(name, Math.max(0, timestampMs(position.value)));
    return new Map(
      [...there].map(([one, { start, end }]) => [one, { start: starts.get(one) ?? start, end }]),
    );
  }
  if (position.case === 'startId') {
    const { partition, offset } = placeOf(position.value);
    const range = there.get(partition);
    return new Map(range && [[partition, { start: Math.max(range.start, offset), end: range.end }]]);
  }
  return there;
}

/** What a later page begins with: what has come since the page before is part of a list that goes on to the newest. */
async function rest(
  { bus, topics }: RouteDeps,
  request: ListMessagesRequest,
  from: ReadonlyMap<number, number>,
): Promise<Ranges> {
  const there = await bus.offsets(topics.messages(request.integrationId).name);
  const isBackward = isBackwardFrom(request);
  const ranges = new Map<number, OffsetRange>();
  for (const [partition, offset] of from) {
    const range = there.get(partition);
    if (!range) continue;
    const { start, end } = range;
    ranges.set(
      partition,
      isBackward ? { start, end: Math.min(end, offset) } : { start: Math.max(start, offset), end },
    );
  }
  return ranges;
}
