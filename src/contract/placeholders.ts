import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { Envelope } from '../../gen/penstock/v1/envelope_pb.ts';
import { UnencodableError } from './body.ts';
import { type JsonPath, jsonAt } from './json-path.ts';
import { uuidText } from './uuid-text.ts';

/** What placeholders can name. */
export interface TemplateSource {
  readonly envelope: Envelope;
  /** The envelope's place on the message topic. */
  readonly partition: number;
  readonly offset: number;
  /** Which of the integration's message topics this is: above 1, it was deleted and made anew. */
  readonly topicIncarnation: number;
  readonly integrationId: string;
  readonly integrationName: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** The executor's service id. */
  readonly serviceId: string;
  /** The UUID that a name has, again the same for the same name. */
  readonly uuidOfName: (name: string) => string;
}

/** A value, as JSON when it is no text. */
export type Value = string | number | boolean | { readonly json: string };

/** The value of a placeholder in a message; undefined: it has none. Throws an `UnencodableError`. */
export type Getter = (source: TemplateSource) => Value | undefined;

const topicName: Getter = ({ envelope }) => envelope.topicName;
const clientId: Getter = ({ envelope }) => envelope.clientId;
const retain: Getter = ({ envelope }) => envelope.retain;

const GETTERS: ReadonlyMap<string, Getter> = new Map<string, Getter>([
  ['topic', topicName],
  ['topicName', topicName],
  ['clientId', clientId],
  ['clientid', clientId],
  ['username', ({ envelope }) => envelope.username],
  ['qos', ({ envelope }) => envelope.qos],
  ['retain', retain],
  ['flags.retain', retain],
  ['ts', ({ envelope: { receivedTime } }) => receivedTime && timestampMs(receivedTime)],
  ['contentType', ({ envelope }) => envelope.contentType],
  ['responseTopic', ({ envelope }) => envelope.responseTopic],
  ['integrationName', ({ integrationName }) => integrationName],
  ['integrationId', ({ integrationId }) => integrationId],
  ['serviceId', ({ serviceId }) => serviceId],
  ['partition', ({ partition }) => partition],
  ['offset', ({ offset }) => offset],
  ['id', idOf],
  ['messageId', messageId],
]);

const LEVEL = /^(?:topic|topicName)\[(\d+)\]$/;
const NAMED = /^(userProperties|metadata)\.(.+)$/s;
const STEP = /\.([^.[\]'"]+)|\[(\d+)\]|\['([^']*)'\]|\["([^"]*)"\]/y;

/** For people. */
export const PLACEHOLDERS: readonly string[] = [
  ...GETTERS.keys(),
  'topic[0]',
  'payload',
  'payload.a.b[0]',
  'userProperties.name',
  'metadata.name',
];

/** One place on the topics of one integration, again the same when the message there is tried again. */
export function messageId({ integrationId, partition, offset, topicIncarnation }: TemplateSource): string {
  const incarnation = topicIncarnation > 1 ? `.${topicIncarnation}` : '';
  return `${integrationId}-${partition}${incarnation}-${offset}`;
}

/** The message's id; one that an ingress node of an older version has taken in is named by its place. */
export function idOf(source: TemplateSource): string {
  const { id } = source.envelope;
  return id.length === 0 ? source.uuidOfName(messageId(source)) : uuidText(id);
}

/**
 * What the placeholder `name` stands for; undefined: there is no such placeholder.
 * @param asJson for a place that takes a JSON value: `payload` is the JSON that it holds, and null is a value
 */
export function getterOf(name: string, asJson = false): Getter | undefined {
  const getter = GETTERS.get(name);
  if (getter) return getter;
  if (name === 'payload') return asJson ? payloadAsJson : payloadText;
  const level = LEVEL.exec(name)?.[1];
  if (level !== undefined) return ({ envelope }) => envelope.topicName.split('/')[Number(level)];
  const [, map, key = ''] = NAMED.exec(name) ?? [];
  if (map === 'metadata') return ({ metadata }) => (Object.hasOwn(metadata, key) ? metadata[key] : undefined);
  if (map === 'userProperties') {
    return ({ envelope }) => envelope.userProperties.findLast((property) => property.key === key)?.value;
  }
  const path = pathOf(name);
  return path && ((source) => valueAt(source, path, asJson));
}

/** `payload.a["b.c"][0]` as a path; undefined when it is none. */
function pathOf(name: string): JsonPath | undefined {
  if (!name.startsWith('payload')) return undefined;
  const path: (string | number)[] = [];
  STEP.lastIndex = 'payload'.length;
  while (STEP.lastIndex < name.length) {
    const step = STEP.exec(name);
    if (step === null) return undefined;
    const [, member, index, ...quoted] = step;
    path.push(
      index === undefined ? (member ?? quoted.find((one) => one !== undefined) ?? '') : Number(index),
    );
  }
  return path;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The payloads as text that is valid JSON, of messages whose templates asked for it; undefined: it is none. */
const jsonPayloads = new WeakMap<Envelope, { readonly text: string | undefined }>();

function jsonOf(envelope: Envelope): string | undefined {
  let known = jsonPayloads.get(envelope);
  if (known === undefined) {
    known = { text: validJson(envelope.payload) };
    jsonPayloads.set(envelope, known);
  }
  return known.text;
}

function validJson(payload: Uint8Array): string | undefined {
  try {
    const text = utf8.decode(payload);
    JSON.parse(text);
    return text;
  } catch {
    return undefined;
  }
}

function payloadText({ envelope }: TemplateSource): string {
  try {
    return utf8.decode(envelope.payload);
  } catch (error) {
    throw new UnencodableError('the payload is not valid UTF-8 text, as ${payload} needs it', {
      cause: error,
    });
  }
}

function payloadAsJson(source: TemplateSource): Value {
  const json = jsonOf(source.envelope);
  return json === undefined ? payloadText(source) : { json };
}

function valueAt({ envelope }: TemplateSource, path: JsonPath, asJson: boolean): Value | undefined {
  const text = jsonOf(envelope);
  const json = text && jsonAt(text, path);
  if (json === undefined || json === '') return undefined;
  if (json.startsWith('"')) return JSON.parse(json) as string;
  return json === 'null' && !asJson ? undefined : { json };
}
