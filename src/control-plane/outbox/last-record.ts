import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { DownlinkRecord } from '../../../gen/penstock/v1/downlink_pb.ts';
import type { PublishedState } from '../store/published.ts';

/** What is last under a key of a downlink topic, and what came there before it. */
export interface Last {
  readonly topic: string;
  readonly key: string;
  /** Undefined: a tombstone, or that it is gone. */
  readonly generation: bigint | undefined;
  /** When that was made, in milliseconds; undefined: it does not say. */
  readonly updateTime: number | undefined;
  /** As `secretKeys` of a `PublishedState`. */
  readonly secretKeys: readonly string[];
  /** The newest generation that was told under the key, or is gone by it: nothing older is listened to. Undefined: a tombstone alone. */
  readonly newest: bigint | undefined;
  /** What was told of the newest generation was not the same each time: one of them is of a time that PostgreSQL does not know. */
  readonly isContested: boolean;
}

/** @param record undefined: a tombstone */
export function lastOf(
  { topic, key }: Pick<Last, 'topic' | 'key'>,
  record: DownlinkRecord | undefined,
  before: Last | undefined,
): Last {
  const { integration, gone, sealed = [] } = record ?? {};
  const generation = integration?.generation;
  const updateTime = integration?.updateTime && timestampMs(integration.updateTime);
  const told = generation ?? gone?.generation;
  const isNewest = told !== undefined && (before?.newest === undefined || told > before.newest);
  const isOther = (a: number | undefined, b: number | undefined) =>
    a !== undefined && b !== undefined && a !== b;
  const isContested = told === before?.newest && isOther(updateTime, before?.updateTime);
  return {
    topic,
    key,
    generation,
    updateTime,
    secretKeys: [...new Set(sealed.map(({ keyId }) => keyId))].toSorted(),
    newest: isNewest ? told : before?.newest,
    isContested: !isNewest && (isContested || (before?.isContested ?? false)),
  };
}

/**
 * Whether others were told what PostgreSQL does not know, and would listen to nothing of what it has: it was set back. Of a key
 * under which there should be a record.
 */
export function isSetBack(last: Last, state: PublishedState): boolean {
  const { generation, newest, updateTime, isContested } = last;
  if (state.isDeleted) return false;
  if (newest === undefined || newest > state.generation) return true;
  if (newest < state.generation) return false;
  if (generation === undefined) return true; // nothing that is gone at a generation comes back with it
  if (isContested) return true;
  return generation === newest && updateTime !== undefined && updateTime !== state.updateTime;
}

export const idOf = (key: string): string => key.split('/', 1)[0] ?? '';
export const shardIn = (key: string): number => Number(key.split('/')[1] ?? 0);
