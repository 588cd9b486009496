import type { KafkaConfiguration } from '../../gen/penstock/v1/kafka_pb.ts';
import { compileTemplate, type TemplateSource } from './template.ts';
import { templatedBodyWriter } from './templated-body.ts';
import { bodyOptions, type WritingContext } from './written-message.ts';

/** Of a configuration that names none. */
const DEFAULT_TOPIC = 'tbmq.messages';

export const topicOf = ({ topic }: KafkaConfiguration): string => topic || DEFAULT_TOPIC;

type Write<T> = (source: TemplateSource) => T;

/** A function that writes the key; null: there is none. It throws an `UnencodableError`. */
export const keyWriter = (config: KafkaConfiguration, context: WritingContext): Write<string | null> =>
  config.key === undefined ? () => null : textWriter(config.key, context);

/** A function that writes the value. It throws an `UnencodableError`. */
export function valueWriter(config: KafkaConfiguration, context: WritingContext): Write<string | Uint8Array> {
  const write = templatedBodyWriter({
    ...bodyOptions(config, context),
    bodyTemplate: config.bodyTemplate,
    missing: context.missing,
  });
  return (source) => write(source).content;
}

/** The configured headers, in their order, each with what writes it. They throw an `UnencodableError`. */
export const headerWriters = (
  config: KafkaConfiguration,
  context: WritingContext,
): readonly { readonly key: string; readonly write: Write<string> }[] =>
  config.kafkaHeaders.map(({ key, value }) => ({ key, write: textWriter(value, context) }));

const textWriter = (text: string, { missing }: WritingContext): Write<string> =>
  text.includes('${') ? compileTemplate(text, 'none', missing) : () => text;
