import type { Envelope } from '../../gen/penstock/v1/envelope_pb.ts';
import type { MqttConfiguration } from '../../gen/penstock/v1/mqtt_pb.ts';
import { topicNameProblem } from '../topic-filter/topic-filter.ts';
import { UnencodableError } from './body.ts';
import { compileTemplate } from './template.ts';
import { templatedBodyWriter } from './templated-body.ts';
import { bodyOptions, type PlacedEnvelope, templateSource, type WritingContext } from './written-message.ts';

export type Qos = 0 | 1 | 2;

/** What a message is published as. */
export interface PublishedBody {
  readonly payload: string | Uint8Array;
  /** Undefined: it is the payload of the message itself. */
  readonly type: BodyType | undefined;
}

/** What a body is, where it is not the payload itself. */
export interface BodyType {
  readonly contentType?: string;
  readonly isText: boolean;
}

/** A function that writes the topic name. It throws an `UnencodableError`. */
export function topicWriter(
  config: MqttConfiguration,
  context: WritingContext,
): (message: PlacedEnvelope) => string {
  if (config.useMsgTopicName ?? config.topicName === '')
    return ({ envelope }) => soundTopic('topic name', envelope.topicName);
  const sourceOf = templateSource(context);
  const write = compileTemplate(config.topicName, 'topic', context.missing);
  return (message) => write(sourceOf(message));
}

/** A function that writes the payload. It throws an `UnencodableError`. */
export function payloadWriter(
  config: MqttConfiguration,
  context: WritingContext,
): (message: PlacedEnvelope) => PublishedBody {
  const { sendOnlyMsgPayload, bodyTemplate } = config;
  const sourceOf = templateSource(context);
  const write = templatedBodyWriter({
    ...bodyOptions(config, context),
    bodyTemplate,
    missing: context.missing,
  });
  const isPayload = sendOnlyMsgPayload && bodyTemplate === '';
  return (message) => {
    const { content, contentType } = write(sourceOf(message));
    return { payload: content, type: isPayload ? undefined : { contentType, isText: true } };
  };
}

/** The QoS that a message is to be published with, as far as the broker takes it. */
export function qosWriter(config: MqttConfiguration): (envelope: Envelope) => Qos {
  const usesMessage = config.useMsgQos ?? config.qos === undefined;
  return usesMessage ? ({ qos }) => qos as Qos : () => (config.qos ?? 1) as Qos;
}

export function retainWriter(config: MqttConfiguration): (envelope: Envelope) => boolean {
  return (config.useMsgRetain ?? !config.retained) ? ({ retain }) => retain : () => config.retained;
}

/** The name. @throws UnencodableError when it is no topic name that a broker takes */
export function soundTopic(what: string, name: string): string {
  const problem = topicNameProblem(name);
  if (problem !== undefined) throw new UnencodableError(`${what}: ${problem}`);
  return name;
}
