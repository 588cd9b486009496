import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type {
  LoggedMessage,
  WatchMessagesRequest,
  WatchMessagesResponseSchema,
} from '../../../gen/penstock/v1/message_log_service_pb.ts';
import type { Clock } from '../../runtime/clock.ts';
import { DeadlineError, withDeadline } from '../../runtime/deadline.ts';
import { Bell } from '../watches/bell.ts';
import { packed } from '../watches/packed.ts';
import { bytesOf } from './logged-message.ts';
import type { FeedDeps, MessageFeed } from './message-feed.ts';
import type { MessageFeeds } from './message-feeds.ts';
import { messagePage } from './message-page.ts';
import { MessageTail, type TailWish } from './message-tail.ts';
import { withOutcomes } from './outcomes.ts';

type Answer = MessageInitShape<typeof WatchMessagesResponseSchema>;

/** A response comes at least so often, in milliseconds: callers are promised 5 seconds. */
const BEAT = 4000;
/** What comes in this time is told together, in milliseconds. */
const GATHERING = 100;
const DEFAULT_RATE = 500;
/** Of each payload. */
export const DEFAULT_PAYLOAD = 4096;
const MAX_MESSAGES = 1000;

interface Deps extends FeedDeps {
  readonly messageFeeds: MessageFeeds;
}

/**
 * The last messages, and those that come, until the signal aborts.
 * @param prove rejects when the caller may not know of the integration any more, or its topic is gone
 */
export async function* messagesFromNow(
  deps: Deps,
  request: WatchMessagesRequest,
  prove: () => Promise<void>,
  signal: AbortSignal,
): AsyncGenerator<Answer> {
  const { clock, metrics, messageFeeds } = deps;
  const { integrationId, filter, last } = request;
  const bell = new Bell();
  const payloadBytes = request.maxPayloadBytes || DEFAULT_PAYLOAD;
  const wish = { filter, maxRate: request.maxRate || DEFAULT_RATE, payloadBytes };
  using tail = new MessageTail(wish, bell, clock, metrics, messageFeeds.memory);
  const now = () => timestampFromMs(clock.now());
  yield { time: now() };
  using joined = messageFeeds.join(integrationId, tail);
  await joined.feed.begun;
  const reading = lastMessages(deps, integrationId, { ...wish, last, feed: joined.feed }, signal);
  for await (const _ of beats(clock, reading, signal)) yield { time: now() };
  const before = await reading;
  tail.await(before);
  for (const messages of packed(before, MAX_MESSAGES, bytesOf)) yield { time: now(), messages };
  yield { time: now(), live: true };
  for (let proven = clock.monotonic(); ; ) {
    const cancel = clock.setTimer(() => bell.ring(), BEAT);
    await bell.rung(signal).finally(cancel);
    await clock.sleep(GATHERING, signal);
    bell.throwIfFailed();
    if (clock.monotonic() - proven >= BEAT) {
      await prove();
      proven = clock.monotonic();
    }
    yield* answersOf(tail, now());
  }
}

/** One each time that a response is due, until something is over. Rejects as it does. */
async function* beats(clock: Clock, work: Promise<unknown>, signal: AbortSignal): AsyncGenerator<void> {
  let isOver = false;
  const over = work.finally(() => {
    isOver = true;
  });
  over.catch(() => {}); // whoever reads this may have left
  for (;;) {
    try {
      await withDeadline(clock, BEAT, 'the last messages', over, signal);
      return;
    } catch (error) {
      if (isOver || !(error instanceof DeadlineError)) throw error;
      yield;
    }
  }
}

/** The last ones before what the feed tells, the oldest first. */
async function lastMessages(
  deps: Deps,
  integrationId: string,
  { filter, payloadBytes, last, feed }: TailWish & { readonly last: number; readonly feed: MessageFeed },
  signal: AbortSignal,
): Promise<LoggedMessage[]> {
  if (last === 0) return [];
  const ends = feed.positions;
  const there = await deps.bus.offsets(deps.topics.messages(integrationId).name);
  const ranges = new Map(
    [...ends].map(([partition, end]) => [partition, { start: there.get(partition)?.start ?? end, end }]),
  );
  const wanted = { filter, size: last, payloadBytes, ranges, isBackward: true };
  const { messages } = await messagePage(deps, integrationId, wanted, signal);
  return await withOutcomes(deps, integrationId, messages.toReversed(), filter?.stages ?? [], signal);
}

function* answersOf(tail: MessageTail, time: Answer['time']): Generator<Answer> {
  const told = tail.next();
  if (!told) return yield { time: time! };
  const { messages, outcomes, leftOut } = told;
  const [first = [], ...more] = packed(messages, MAX_MESSAGES, bytesOf);
  yield { time: time!, messages: first, outcomes, leftOut };
  for (const some of more) yield { time: time!, messages: some };
}
