import {
  HttpBatchFormat,
  type HttpBatching,
  type HttpConfiguration,
} from '../../../../gen/penstock/v1/http_pb.ts';
import { jsonWriter } from '../../../contract/body.ts';
import { HOPS } from '../../../contract/hops.ts';
import { idOf } from '../../../contract/placeholders.ts';
import { compileTemplate } from '../../../contract/template.ts';
import { uuidOfName } from '../../../contract/uuid.ts';
import { type HandlerContext, type Outbound, templateSource } from '../handler.ts';
import { maxBatchBytes } from './limits.ts';
import type { HttpRequest } from './request-sender.ts';
import { bodyOptions, methodOf } from './request-writer.ts';

/** A message as it stands in a batch. */
export interface Item {
  readonly message: Outbound;
  /** Its place in the pack. */
  readonly index: number;
  readonly json: string;
}

/** A function that writes a message as a part of a batch. It throws an `UnencodableError`. */
export function itemWriter(
  config: HttpConfiguration,
  context: HandlerContext,
): (message: Outbound) => string {
  const write = jsonOf(config, context);
  if (config.batching?.format !== HttpBatchFormat.NDJSON) return write;
  // Within JSON, line breaks stand between values only.
  return (message) => write(message).replaceAll(/[\r\n]+/g, ' ');
}

function jsonOf(config: HttpConfiguration, context: HandlerContext): (message: Outbound) => string {
  if (config.bodyTemplate === '') {
    const write = jsonWriter(bodyOptions(config, context));
    return ({ envelope }) => write(envelope);
  }
  const write = compileTemplate(config.bodyTemplate, 'json', context.missing);
  const sourceOf = templateSource(context);
  return (message) => write(sourceOf(message));
}

/** The items in batches of at most so many bytes of body, in their order; one that is longer is a batch of its own. */
export function batchesOf(items: readonly Item[], batching: HttpBatching): readonly Item[][] {
  const limit = maxBatchBytes(batching);
  const around = batching.format === HttpBatchFormat.NDJSON ? 0 : 1; // `[` and, for each item, `,` or `]`; or a line break
  const batches: Item[][] = [];
  let bytes = 0;
  for (const item of items) {
    const size = Buffer.byteLength(item.json) + 1;
    const batch = batches.at(-1);
    if (batch && bytes + size <= limit) {
      batch.push(item);
      bytes += size;
    } else {
      batches.push([item]);
      bytes = around + size;
    }
  }
  return batches;
}

/** A function that writes the items of a batch as one request. */
export function batchRequestWriter(
  config: HttpConfiguration,
  context: HandlerContext,
): (batch: readonly Item[]) => HttpRequest {
  const method = methodOf(config);
  const key = config.idempotencyKeyHeader.toLowerCase();
  const sourceOf = templateSource(context);
  // Of all its messages: one that leaves again with others is another batch.
  const keyOf = (batch: readonly Item[]) => {
    const ids = batch.map(({ message }) => idOf(sourceOf(message)));
    return ids.length === 1 ? ids[0]! : uuidOfName(ids.join());
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
