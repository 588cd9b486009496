import { create } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { type DeadLetter, DeadLetterSchema } from '../../../gen/penstock/v1/envelope_pb.ts';
import {
  type LoggedMessage,
  type MessageOutcome,
  MessageOutcomeSchema,
  MessageStage,
} from '../../../gen/penstock/v1/message_log_service_pb.ts';
import type { Bus, OffsetRange, Position } from '../../bus/bus.ts';
import { decoder } from '../../bus/codec.ts';
import type { Topics } from '../../bus/topics.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { deadLetterId } from '../dead-letters/dead-letter-filter.ts';
import { deadLetterRanges } from '../dead-letters/dead-letters.ts';
import { messageId } from './logged-message.ts';

export interface MessageDeps {
  readonly bus: Pick<Bus, 'partitions' | 'offsets' | 'offsetsAt' | 'committed' | 'read' | 'feed' | 'onGrown'>;
  readonly topics: Topics;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Dead letters that are read at a time, at most, and their bytes. */
const MOST = { letters: 5000, bytes: 16 << 20 };
/** How far the clocks of nodes may be apart, in milliseconds. */
const SKEW = 60_000;

/** A dead letter, as far as it tells what became of a message. */
export interface Letter {
  readonly outcome: MessageOutcome;
  /** When it was given up, in milliseconds. */
  readonly time: number;
}

type Ranges = ReadonlyMap<number, OffsetRange>;

const enough = Symbol('enough is read');

/**
 * Reads dead letters in their order. Answers where to go on; where that is before the end, there were too many for once.
 * @param offer takes each; false: no more are wanted
 */
export async function readLetters(
  deps: MessageDeps,
  integrationId: string,
  ranges: Ranges,
  offer: (letter: Letter, deadLetter: DeadLetter) => boolean,
  signal?: AbortSignal,
): Promise<Ranges> {
  const decode = decoder(DeadLetterSchema, deps);
  const rest = new Map([...ranges].filter(([, { start, end }]) => start < end));
  if (rest.size === 0) return ranges;
  let [letters, bytes] = [0, 0];
  const eachBatch: Parameters<Bus['read']>[0]['eachBatch'] = async (records) => {
    for (const record of records) {
      const { partition, offset, value } = record;
      if (letters >= MOST.letters || (bytes >= MOST.bytes && letters > 0)) throw enough;
      letters++;
      bytes += value?.byteLength ?? 0;
      const deadLetter = decode(record);
      rest.set(partition, { start: offset + 1, end: rest.get(partition)!.end });
      if (deadLetter && !offer(letterOf(deadLetter, partition, offset), deadLetter)) throw enough;
    }
  };
  const { name } = deps.topics.deadLetters(integrationId);
  try {
    await deps.bus.read({ topic: name, ranges: rest, eachBatch, ...(signal && { signal }) });
    // Also where the last ones are gone.
    return new Map([...ranges].map(([partition, { end }]) => [partition, { start: end, end }]));
  } catch (error) {
    if (error !== enough) throw error;
    return new Map([...ranges].map(([partition, range]) => [partition, rest.get(partition) ?? range]));
  }
}

function letterOf(deadLetter: DeadLetter, partition: number, offset: number): Letter {
  const { failureClass, reason, attempts, lastAttemptTime, serviceId } = deadLetter;
  return {
    outcome: create(MessageOutcomeSchema, {
      id: messageId(deadLetter.partition, deadLetter.offset),
      stage: MessageStage.DEAD_LETTERED,
      deadLetterId: deadLetterId(partition, offset),
      failureClass,
      reason,
      attempts,
      ...(lastAttemptTime && { givenUpTime: lastAttemptTime }),
      serviceId,
    }),
    time: lastAttemptTime ? timestampMs(lastAttemptTime) : 0,
  };
}

/** What became of a message that was not given up. */
export const outcomeAt = (id: string, stage: MessageStage): MessageOutcome =>
  create(MessageOutcomeSchema, { id, stage });

/** Whether a dead letter is of this message, and not of one that had its place in a topic of before. */
export const isLetterOf = ({ time }: Letter, storedTime: number): boolean => time + SKEW >= storedTime;

/** Whether nothing more is done about a message, by what is committed. */
export function isSettled(position: Position | undefined, offset: number, storedTime: number): boolean {
  if (position === undefined) return false;
  if (offset < position.offset) return true;
  const { ranges = [], latest = 0 } = position.ahead ?? {};
  return storedTime <= latest && ranges.some(({ start, end }) => offset >= start && offset < end);
}

/** What became of messages so far, by their ids. Whoever commits has kept its dead letters before: so they are read after. */
export async function outcomesOf(
  deps: MessageDeps,
  integrationId: string,
  messages: readonly LoggedMessage[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, MessageOutcome>> {
  const outcomes = new Map<string, MessageOutcome>();
  if (messages.length === 0) return outcomes;
  const { bus, topics } = deps;
  const times = new Map(messages.map(({ id, storedTime }) => [id, storedTime ? timestampMs(storedTime) : 0]));
  const committed = await bus.committed(topics.executors, topics.messages(integrationId).name);
  const all = await deadLetterRanges(deps, integrationId);
  const first = Math.min(...times.values()) - SKEW;
  const starts =
    all.size === 0
      ? new Map()
      : await bus.offsetsAt(topics.deadLetters(integrationId).name, Math.max(0, first));
  const ranges = new Map(
    [...all].map(([partition, { start, end }]) => [
      partition,
      { start: Math.min(end, Math.max(start, starts.get(partition) ?? end)), end },
    ]),
  );
  const offer = (letter: Letter) => {
    const time = times.get(letter.outcome.id);
    if (time !== undefined && isLetterOf(letter, time)) outcomes.set(letter.outcome.id, letter.outcome);
    return outcomes.size < messages.length;
  };
  const rest = await readLetters(deps, integrationId, ranges, offer, signal);
  const isWhole =
    outcomes.size === messages.length || [...rest.values()].every(({ start, end }) => start >= end);
  for (const { id, partition, offset } of messages) {
    if (outcomes.has(id)) continue;
    const isDone = isSettled(committed.get(partition), Number(offset), times.get(id)!);
    const settled = isWhole ? MessageStage.SETTLED : MessageStage.UNSPECIFIED;
    outcomes.set(id, outcomeAt(id, isDone ? settled : MessageStage.WAITING));
  }
  return outcomes;
}

/** The messages, each with what became of it, without those at other stages than are wanted. */
export async function withOutcomes(
  deps: MessageDeps,
  integrationId: string,
  messages: readonly LoggedMessage[],
  stages: readonly MessageStage[],
  signal?: AbortSignal,
): Promise<LoggedMessage[]> {
  const outcomes = await outcomesOf(deps, integrationId, messages, signal);
  for (const message of messages) message.outcome = outcomes.get(message.id)!;
  return messages.filter(({ outcome }) => stages.length === 0 || stages.includes(outcome!.stage));
}
