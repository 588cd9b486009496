import { HttpBatchFormat, type HttpBatching } from '../../../../gen/penstock/v1/http_pb.ts';
import type { BatchItem } from '../../../contract/http-batch.ts';
import type { Outbound } from '../handler.ts';
import { maxBatchBytes } from './limits.ts';

/** A message as it stands in a batch. */
export interface Item extends BatchItem<Outbound> {
  /** Its place in the pack. */
  readonly index: number;
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
