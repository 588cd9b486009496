import { create } from '@bufbuild/protobuf';
import { type Envelope, EnvelopeSchema, UserPropertySchema } from '../../../../src/client/contract.ts';
import { textOf } from '../dead-letters/payload.ts';

/** A message as somebody types it, to see what becomes of it. */
export interface Sample {
  readonly topicName: string;
  readonly clientId: string;
  readonly qos: number;
  readonly retain: boolean;
  /** Undefined: it is the payload of `base`, which is no text. */
  readonly payload: string | undefined;
  /** `name: value`, one in each line. */
  readonly userProperties: string;
  /** What it was made of: all else is as it is there. */
  readonly base: Envelope | undefined;
}

const KEY = 'penstock.sample';

/** @param filters of the integration: the topic passes the first of them */
export const newSample = (filters: readonly string[]): Sample => ({
  topicName: topicFor(filters[0] ?? ''),
  clientId: 'c1',
  qos: 1,
  retain: false,
  payload: '{"temperature": 21.5}',
  userProperties: '',
  base: undefined,
});

/** A topic name that the filter takes. */
export const topicFor = (filter: string): string =>
  filter
    .replace(/^\$share\/[^/]*\//, '')
    .split('/')
    .map((level) => (level === '+' || level === '#' ? 'x' : level))
    .join('/') || 'a/b';

export function sampleOf(envelope: Envelope): Sample {
  const { topicName, clientId, qos, retain, payload, userProperties } = envelope;
  return {
    topicName,
    clientId,
    qos,
    retain,
    payload: textOf(payload),
    userProperties: userProperties.map(({ key, value }) => `${key}: ${value}`).join('\n'),
    base: envelope,
  };
}

/** The message. Its id and when it came are those of `base`; else who delivers it gives them. */
export function envelopeOf(sample: Sample): Envelope {
  const { topicName, clientId, qos, retain, payload, userProperties, base } = sample;
  return {
    ...(base ?? create(EnvelopeSchema)),
    topicName,
    clientId,
    qos,
    retain,
    payload: payload === undefined ? (base?.payload ?? new Uint8Array()) : new TextEncoder().encode(payload),
    userProperties: propertiesOf(userProperties),
  };
}

function propertiesOf(text: string) {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => {
    const [, key = '', value = ''] = /^\s*([^:]*?)\s*(?::\s?(.*))?$/s.exec(line) ?? [];
    return create(UserPropertySchema, { key, value });
  });
}

/** Keeps what was typed for the next form; a message of others is not kept. */
export function keepSample({ base, ...sample }: Sample): void {
  if (base) return;
  try {
    sessionStorage.setItem(KEY, JSON.stringify(sample));
  } catch {
    // It lasts as long as the page.
  }
}

export function keptSample(): Sample | undefined {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? 'null');
    return kept === null ? undefined : { ...newSample([]), ...(kept as Sample), base: undefined };
  } catch {
    return undefined;
  }
}
