import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { Envelope } from '../../gen/penstock/v1/envelope_pb.ts';
import { PayloadContentType } from '../../gen/penstock/v1/payload_pb.ts';

/** How bodies are written; the same for all messages of an integration on an executor. */
export interface BodyOptions {
  readonly payloadContentType: PayloadContentType;
  /** Write a payload that is not of its content type as binary instead of failing. */
  readonly sendBinaryOnParseFailure: boolean;
  readonly sendOnlyMsgPayload: boolean;
  readonly integrationName: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** The executor's service id. */
  readonly serviceId: string;
}

export interface Body {
  readonly content: Uint8Array | string;
  readonly contentType: string;
}

/** The payload is not of the content type that it must be. */
export class UnencodableError extends Error {
  override readonly name = 'UnencodableError';
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * A function that writes the body of an envelope: the payload alone, or a JSON object with the fields of TBMQ's
 * integrations in their order (profile `tbmq`). It throws an `UnencodableError`.
 */
export function bodyWriter(options: BodyOptions): (envelope: Envelope) => Body {
  return options.sendOnlyMsgPayload ? payloadWriter(options) : envelopeWriter(options);
}

/**
 * A function that writes an envelope as a JSON value: what `bodyWriter` writes, but a payload alone that is not JSON as a
 * JSON string, a binary one in base64. It throws an `UnencodableError`.
 */
export function jsonWriter(options: BodyOptions): (envelope: Envelope) => string {
  return options.sendOnlyMsgPayload
    ? ({ payload }) => payloadValue(payload, options)
    : envelopeJsonWriter(options);
}

function payloadWriter(options: BodyOptions): (envelope: Envelope) => Body {
  return ({ payload }) => {
    const text = textOf(payload, options);
    if (text === undefined) return { content: payload, contentType: 'application/octet-stream' };
    const contentType = isJson(options) ? 'application/json' : 'text/plain; charset=utf-8';
    return { content: payload, contentType };
  };
}

function envelopeWriter(options: BodyOptions): (envelope: Envelope) => Body {
  const write = envelopeJsonWriter(options);
  return (envelope) => ({ content: write(envelope), contentType: 'application/json' });
}

function envelopeJsonWriter(options: BodyOptions): (envelope: Envelope) => string {
  // Pieces that are the same for every message are joined once: each `+` below is work for every one of them.
  const node = `,"tbmqIeNode":${JSON.stringify(options.serviceId)},"tbmqNode":`;
  const metadata = JSON.stringify({ integrationName: options.integrationName, ...options.metadata });
  const end = `,"metadata":${metadata}}`;
  return (envelope) => {
    const { topicName, clientId, qos, retain, receivedTime, clientCertCn, username } = envelope;
    const ts = receivedTime ? timestampMs(receivedTime) : 0;
    return (
      `{"payload":${payloadValue(envelope.payload, options)},"topicName":${JSON.stringify(topicName)}` +
      `,"clientId":${JSON.stringify(clientId)},"eventType":"PUBLISH_MSG","qos":${qos},"retain":${retain}` +
      `${node}${JSON.stringify(envelope.node)},"ts":${ts}` +
      (clientCertCn === undefined ? '' : `,"clientCertCn":${JSON.stringify(clientCertCn)}`) +
      (username === undefined ? '' : `,"username":${JSON.stringify(username)}`) +
      `,"props":${propsOf(envelope)}${end}`
    );
  };
}

/** The payload as a JSON value. JSON goes in as it came, so that numbers keep their digits. */
function payloadValue(payload: Uint8Array, options: BodyOptions): string {
  const text = textOf(payload, options);
  if (text === undefined) return `"${base64(payload)}"`;
  return isJson(options) ? text : JSON.stringify(text);
}

/** The payload as the text it must be; undefined: it is written as binary. */
function textOf(payload: Uint8Array, options: BodyOptions): string | undefined {
  const { payloadContentType, sendBinaryOnParseFailure } = options;
  if (payloadContentType !== PayloadContentType.TEXT && !isJson(options)) return undefined;
  try {
    const text = utf8.decode(payload);
    if (isJson(options)) JSON.parse(text);
    return text;
  } catch (error) {
    if (sendBinaryOnParseFailure) return undefined;
    const wanted = isJson(options) ? 'JSON' : 'UTF-8 text';
    throw new UnencodableError(`the payload is not valid ${wanted}`, { cause: error });
  }
}

const isJson = ({ payloadContentType }: BodyOptions) => payloadContentType === PayloadContentType.JSON;

/** Browsers have no Buffer. */
const { Buffer } = globalThis as {
  readonly Buffer?: {
    from(bytes: ArrayBufferLike, at: number, length: number): { toString(as: string): string };
  };
};

function base64(bytes: Uint8Array): string {
  if (Buffer) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** User properties as an object; of repeated names the last one counts. */
function propsOf({ userProperties }: Envelope): string {
  if (userProperties.length === 0) return '{}';
  if (userProperties.length === 1) {
    const { key, value } = userProperties[0]!;
    return `{${JSON.stringify(key)}:${JSON.stringify(value)}}`;
  }
  // Through entries: a property named __proto__ is a property like any other.
  return JSON.stringify(Object.fromEntries(userProperties.map(({ key, value }) => [key, value])));
}
