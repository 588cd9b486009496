import type { KafkaConfiguration } from '../../../../gen/penstock/v1/kafka_pb.ts';
import { HOPS } from '../../../contract/hops.ts';
import { headerWriters, keyWriter, valueWriter } from '../../../contract/kafka-record.ts';
import type { TemplateSource } from '../../../contract/template.ts';
import { templateSource } from '../../../contract/written-message.ts';
import type { Header } from '../../../kafkajs/record-batch.ts';
import type { HandlerContext, Outbound } from '../handler.ts';
import { encoderOf } from './charset.ts';

/** A record to be produced. */
export interface KafkaRecord {
  readonly key: string | null;
  readonly value: Buffer;
  readonly headers: readonly Header[];
  /** What it takes in a batch, at most, before compression. */
  readonly bytes: number;
}

/** What Kafka adds to a record, at most. */
const RECORD_OVERHEAD = 70;

type Write<T> = (source: TemplateSource) => T;

/** A function that writes the record of a message. It throws an `UnencodableError`. */
export function recordWriter(
  config: KafkaConfiguration,
  context: HandlerContext,
): (message: Outbound) => KafkaRecord {
  const sourceOf = templateSource(context);
  const writeKey = keyWriter(config, context);
  const writeValue = valueWriter(config, context);
  const writeHeaders = headersWriter(config, context);
  return (message) => {
    const source = sourceOf(message);
    const key = writeKey(source);
    const value = bufferOf(writeValue(source));
    const headers = writeHeaders(source);
    const content = (key === null ? 0 : Buffer.byteLength(key)) + value.length;
    return { key, value, headers, bytes: content + headerBytes(headers) + RECORD_OVERHEAD };
  };
}

const bufferOf = (content: string | Uint8Array): Buffer =>
  typeof content === 'string'
    ? Buffer.from(content)
    : Buffer.from(content.buffer, content.byteOffset, content.byteLength);

function headersWriter(config: KafkaConfiguration, context: HandlerContext): Write<readonly Header[]> {
  const encode = encoderOf(config.kafkaHeadersCharset);
  const configured = headerWriters(config, context);
  const isPlain = configured.length === 0 && !config.forwardUserProperties;
  return (source) => {
    const { userProperties, hopCount } = source.envelope;
    // Always in ASCII: whoever counts on must be able to read it.
    const hops = { key: HOPS, value: String(hopCount + 1) };
    if (isPlain) return [hops];
    const headers: Header[] = configured.map(({ key, write }) => ({ key, value: encode(write(source)) }));
    if (config.forwardUserProperties) {
      for (const { key, value } of userProperties) headers.push({ key, value: encode(value) });
    }
    headers.push(hops);
    return headers;
  };
}

/** At most. */
const headerBytes = (headers: readonly Header[]) =>
  headers.reduce((bytes, { key, value }) => bytes + 3 * key.length + (value?.length ?? 0) + 10, 0);
