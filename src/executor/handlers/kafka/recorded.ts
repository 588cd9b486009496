import type { TrialRecord } from '../trial-record.ts';
import type { KafkaRecord } from './record.ts';

/** Keeps a record as it is produced. */
export function recordRecord(record: TrialRecord, topic: string, { key, value, headers }: KafkaRecord): void {
  const lines = headers.map((header) => `header ${header.key}: ${header.value ?? 'null'}`);
  record.sent([`topic ${topic}`, key === null ? 'no key' : `key: ${key}`, ...lines], value);
}
