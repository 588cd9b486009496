import type { TrialRecord } from '../trial-record.ts';
import type { Publication } from './publication.ts';
import { REASON_NAMES } from './reason-code.ts';

/** Keeps a message as it is published. */
export function recordPublication(record: TrialRecord, { topic, payload, options }: Publication): void {
  const { qos = 0, retain = false, properties = {} } = options;
  const { userProperties, ...others } = properties;
  const named = Object.entries(others).map(([name, value]) => `${name}: ${textOf(value)}`);
  const own = [userProperties ?? []].flat().flatMap((one) => Object.entries(one));
  const user = own.map(([name, value]) => `user property ${name}: ${value}`);
  record.sent([`PUBLISH ${topic}`, `QoS ${qos}${retain ? ', retained' : ''}`, ...named, ...user], payload);
}

const textOf = (value: unknown) =>
  value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value);

/** Keeps what the broker answers. @param code undefined: it takes the message */
export function recordAnswer(record: TrialRecord, qos: number, code: number | string | undefined): void {
  const packet = qos === 1 ? 'PUBACK' : 'PUBCOMP';
  const name = REASON_NAMES.find(([known]) => known === code)?.[1] ?? '';
  record.answered([code === undefined ? packet : `${packet} with code ${code} ${name}`.trim()]);
}
