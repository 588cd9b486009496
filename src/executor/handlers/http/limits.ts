import { durationMs } from '@bufbuild/protobuf/wkt';
import {
  type HttpBatching,
  type HttpConfiguration,
  HttpVersion,
} from '../../../../gen/penstock/v1/http_pb.ts';
import type { HandlerContext, PackLimits } from '../handler.ts';

const DEFAULT_MAX_MESSAGES = 100;
const DEFAULT_MAX_BYTES = 1_048_576;
/** A message in JSON is rarely longer than that many times what it is on Kafka. */
const GROWTH = 2;

/** The most bytes of a batch's body. */
export const maxBatchBytes = (batching: HttpBatching) => batching.maxBytes ?? DEFAULT_MAX_BYTES;

/** How large the packs are that a handler of this configuration takes. */
export function packLimits({ batching }: HttpConfiguration): PackLimits {
  if (!batching) return { maxMessages: 1, maxBytes: Number.POSITIVE_INFINITY };
  return {
    maxMessages: batching.maxMessages ?? DEFAULT_MAX_MESSAGES,
    // So that a pack is hardly ever more than one request.
    maxBytes: Math.ceil(maxBatchBytes(batching) / GROWTH),
    maxWait: batching.maxWait ? durationMs(batching.maxWait) : 0,
    runs: 'within',
  };
}

/** Requests on their way at a time, at most. */
export function parallelOf(config: HttpConfiguration, context: HandlerContext): number {
  const { maxInFlight, maxConnections } = context;
  const window = Math.ceil(maxInFlight / packLimits(config).maxMessages);
  const wanted = config.maxParallelRequestsCount || window;
  // With HTTP/2 a connection carries many.
  const isShared = config.httpVersion === HttpVersion.HTTP_VERSION_2;
  return isShared ? wanted : Math.min(wanted, config.maxConnections ?? maxConnections);
}
