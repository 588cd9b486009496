import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type {
  Envelope,
  HttpConfiguration,
  Integration,
  KafkaConfiguration,
  MqttConfiguration,
} from '../../../../src/client/contract.ts';
import { UnencodableError } from '../../../../src/contract/body.ts';
import { hasPlaceholder, originOf, requestPath } from '../../../../src/contract/endpoint-url.ts';
import { batchRequestWriter, itemWriter } from '../../../../src/contract/http-batch.ts';
import { fixedHeaders, type HttpRequest, requestWriter } from '../../../../src/contract/http-request.ts';
import { headerWriters, keyWriter, topicOf, valueWriter } from '../../../../src/contract/kafka-record.ts';
import {
  payloadWriter,
  qosWriter,
  retainWriter,
  topicWriter,
} from '../../../../src/contract/mqtt-publication.ts';
import { compileTemplate, missingRule } from '../../../../src/contract/template.ts';
import {
  type PlacedEnvelope,
  templateSource,
  type WritingContext,
} from '../../../../src/contract/written-message.ts';

// What a message is sent as, by the functions that write it in an executor.

/** What would be sent. */
export interface Written {
  /** Where it goes: a method with a URL, or a topic. */
  readonly to: string;
  /** Headers and the like, in their order. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** Null: there is none. */
  readonly body: string | Uint8Array | null;
}

/** Why nothing can be sent, and the field that says so; an empty path: none alone. */
export interface Unwritable {
  readonly problem: string;
  readonly path: string;
}

const SECRET = '•••';
/** What an executor has for it, where the UI cannot know. */
const SERVICE_ID = '<executor>';

/** Undefined: no type is chosen. @param now milliseconds since 1970, when a message came that does not say it */
export function previewOf(
  integration: Integration,
  envelope: Envelope,
  now: number,
): Written | Unwritable | undefined {
  const { configuration } = integration;
  const context: WritingContext = {
    integrationId: integration.id || '<id>',
    integrationName: integration.name,
    metadata: integration.metadata,
    serviceId: SERVICE_ID,
    topicIncarnation: 1,
    missing: missingRule(integration.templates),
    uuidOfName: () => '<id>',
  };
  const received = envelope.receivedTime ?? timestampFromMs(now);
  const message = { envelope: { ...envelope, receivedTime: received }, partition: 0, offset: 0 };
  const prefix = configuration.case ?? '';
  try {
    switch (configuration.case) {
      case 'http':
        return writtenRequest(configuration.value, context, message);
      case 'mqtt':
        return writtenPublication(configuration.value, context, message);
      case 'kafka':
        return writtenRecord(configuration.value, context, message);
      default:
        return undefined;
    }
  } catch (error) {
    if (error instanceof Unwritten) return { problem: error.message, path: `${prefix}.${error.field}` };
    // What is wrong with the configuration is told at its field.
    return { problem: error instanceof Error ? error.message : String(error), path: '' };
  }
}

/** A field whose template cannot be written. */
class Unwritten extends Error {
  readonly field: string;

  constructor(field: string, cause: Error) {
    super(cause.message, { cause });
    this.field = field;
  }
}

function of<T>(field: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    throw error instanceof UnencodableError ? new Unwritten(field, error) : error;
  }
}

function writtenRequest(
  config: HttpConfiguration,
  context: WritingContext,
  message: PlacedEnvelope,
): Written {
  const source = templateSource(context)(message);
  const { origin } = originOf(config.restEndpointUrl);
  const path = of('rest_endpoint_url', () => {
    const written = requestPath(config.restEndpointUrl, context.missing);
    return typeof written === 'string' ? written : written(source);
  });
  for (const [name, value] of Object.entries(config.headers)) {
    if (hasPlaceholder(value))
      of(`headers["${name}"]`, () => compileTemplate(value, 'header', context.missing)(source));
  }
  const { method, headers, body } = of('body_template', () => requestOf(config, context, message));
  const fixed = fixedHeaders(config, authorizationOf(config), () => SECRET);
  const fields = Object.entries({ ...headers, ...fixed });
  return { to: `${method} ${origin}${path}`, fields, body };
}

function requestOf(config: HttpConfiguration, context: WritingContext, message: PlacedEnvelope): HttpRequest {
  if (!config.batching) return requestWriter(config, context)(message);
  const json = itemWriter(config, context)(message);
  return batchRequestWriter(config, context)([{ message, json }]);
}

/** That there is one, and of which kind. */
function authorizationOf({ credentials }: HttpConfiguration): string | undefined {
  const kind = credentials?.credentials.case;
  if (kind === 'basic') return `Basic ${SECRET}`;
  return kind === 'bearer' || kind === 'oauth2' ? `Bearer ${SECRET}` : undefined;
}

function writtenPublication(
  config: MqttConfiguration,
  context: WritingContext,
  message: PlacedEnvelope,
): Written {
  const { envelope } = message;
  const topic = of('topic_name', () => topicWriter(config, context)(message));
  const { payload } = of('body_template', () => payloadWriter(config, context)(message));
  const retain = retainWriter(config)(envelope);
  const fields = [
    ['QoS', String(qosWriter(config)(envelope))],
    ['retained', retain ? 'yes' : 'no'],
  ] as const;
  return { to: topic, fields, body: payload };
}

function writtenRecord(
  config: KafkaConfiguration,
  context: WritingContext,
  message: PlacedEnvelope,
): Written {
  const source = templateSource(context)(message);
  const key = of('key', () => keyWriter(config, context)(source));
  const own = headerWriters(config, context).map(
    ({ key: name, write }, i) =>
      [`header ${name}`, of(`kafka_headers[${i}].value`, () => write(source))] as const,
  );
  const { userProperties } = message.envelope;
  const forwarded = config.forwardUserProperties
    ? userProperties.map((property) => [`header ${property.key}`, property.value] as const)
    : [];
  const body = of('body_template', () => valueWriter(config, context)(source));
  return {
    to: topicOf(config),
    fields: [['key', key ?? 'none'], ...own, ...forwarded],
    body,
  };
}
