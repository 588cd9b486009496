import { HttpBatchFormat, type HttpConfiguration } from '../../gen/penstock/v1/http_pb.ts';
import { jsonWriter } from './body.ts';
import { HOPS } from './hops.ts';
import { type HttpRequest, methodOf } from './http-request.ts';
import { idOf } from './placeholders.ts';
import { compileTemplate } from './template.ts';
import { bodyOptions, type PlacedEnvelope, templateSource, type WritingContext } from './written-message.ts';

/** A message as it stands in a batch. */
export interface BatchItem<M extends PlacedEnvelope = PlacedEnvelope> {
  readonly message: M;
  readonly json: string;
}

/** A function that writes a message as a part of a batch. It throws an `UnencodableError`. */
export function itemWriter(
  config: HttpConfiguration,
  context: WritingContext,
): (message: PlacedEnvelope) => string {
  const write = jsonOf(config, context);
  if (config.batching?.format !== HttpBatchFormat.NDJSON) return write;
  // Within JSON, line breaks stand between values only.
  return (message) => write(message).replaceAll(/[\r\n]+/g, ' ');
}

function jsonOf(config: HttpConfiguration, context: WritingContext): (message: PlacedEnvelope) => string {
  if (config.bodyTemplate === '') {
    const write = jsonWriter(bodyOptions(config, context));
    return ({ envelope }) => write(envelope);
  }
  const write = compileTemplate(config.bodyTemplate, 'json', context.missing);
  const sourceOf = templateSource(context);
  return (message) => write(sourceOf(message));
}

/** A function that writes the items of a batch as one request. */
export function batchRequestWriter(
  config: HttpConfiguration,
  context: WritingContext,
): (batch: readonly BatchItem[]) => HttpRequest {
  const method = methodOf(config);
  const key = config.idempotencyKeyHeader.toLowerCase();
  const sourceOf = templateSource(context);
  // Of all its messages: one that leaves again with others is another batch.
  const keyOf = (batch: readonly BatchItem[]) => {
    const ids = batch.map(({ message }) => idOf(sourceOf(message)));
    return ids.length === 1 ? ids[0]! : context.uuidOfName(ids.join());
  };
  const isLines = config.batching?.format === HttpBatchFormat.NDJSON;
  const contentType = isLines ? 'application/x-ndjson' : 'application/json';
  return (batch) => {
    const json = batch.map((item) => item.json);
    const hops = Math.max(...batch.map(({ message }) => message.envelope.hopCount));
    return {
      method,
      headers: {
        'content-type': contentType,
        [HOPS]: String(hops + 1),
        ...(key === '' ? {} : { [key]: keyOf(batch) }),
      },
      body: isLines ? `${json.join('\n')}\n` : `[${json.join(',')}]`,
    };
  };
}
