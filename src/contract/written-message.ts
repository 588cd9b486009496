import type { Envelope } from '../../gen/penstock/v1/envelope_pb.ts';
import type { PayloadContentType } from '../../gen/penstock/v1/payload_pb.ts';
import type { BodyOptions } from './body.ts';
import type { MissingRule, TemplateSource } from './template.ts';

// What messages are written with, for whatever external system: by an executor as they leave, and by the UI as they would.

/** A message with its place on the message topic. */
export interface PlacedEnvelope {
  readonly envelope: Envelope;
  readonly partition: number;
  readonly offset: number;
}

/** What the surroundings give to what is written. */
export interface WritingContext
  extends Pick<
    TemplateSource,
    'integrationId' | 'integrationName' | 'metadata' | 'serviceId' | 'topicIncarnation' | 'uuidOfName'
  > {
  /** What a template does without a value. */
  readonly missing: MissingRule;
}

/** A function that says what templates see of a message. */
export function templateSource(context: WritingContext): (message: PlacedEnvelope) => TemplateSource {
  const { topicIncarnation, integrationId, integrationName, metadata, serviceId, uuidOfName } = context;
  return ({ envelope, partition, offset }) => ({
    envelope,
    partition,
    offset,
    topicIncarnation,
    integrationId,
    integrationName,
    metadata,
    serviceId,
    uuidOfName,
  });
}

/** What the configurations of all types say of bodies. */
interface BodyFields {
  readonly payloadContentType: PayloadContentType;
  readonly sendBinaryOnParseFailure?: boolean | undefined;
  readonly sendOnlyMsgPayload: boolean;
}

export function bodyOptions(
  { payloadContentType, sendBinaryOnParseFailure = true, sendOnlyMsgPayload }: BodyFields,
  { integrationName, metadata, serviceId }: WritingContext,
): BodyOptions {
  return {
    payloadContentType,
    sendBinaryOnParseFailure,
    sendOnlyMsgPayload,
    integrationName,
    metadata,
    serviceId,
  };
}
