import type { DeadLetterFilter } from '../../../gen/penstock/v1/dead_letter_service_pb.ts';
import type { DeadLetterPageStart } from '../page.ts';
import { countMarked, unmarkedEnd } from '../store/redriven.ts';
import { narrowedRanges } from './dead-letter-filter.ts';
import {
  type DeadLetterDeps,
  deadLetterRanges,
  type FoundDeadLetter,
  findDeadLetters,
  type Ranges,
} from './dead-letters.ts';
import { type KeptDeadLetter, NewestDeadLetters } from './newest-dead-letters.ts';

/** What is looked at for one page, at most: then the page ends, however little is on it. */
const MAX_LOOKED_AT = 1000;
const MAX_READS = 12;
const MAX_BYTES = 6 << 20;
/** Read at a time, unless one record alone is larger. */
const MAX_BYTES_A_READ = 4 << 20;

interface Wanted {
  readonly filter: DeadLetterFilter | undefined;
  readonly size: number;
  readonly from: DeadLetterPageStart | undefined;
}

export interface DeadLetterPage {
  /** The newest first. */
  readonly kept: readonly KeptDeadLetter[];
  /** How many there are in all, as far as that is known: see `ListDeadLettersResponse`. */
  readonly total: number;
  /** Where the next page begins; undefined: this is the last. */
  readonly next: DeadLetterPageStart | undefined;
}

/** Reads from the newest backwards, no more than a page takes, whatever the topic holds. */
export async function deadLetterPage(
  deps: DeadLetterDeps,
  integrationId: string,
  { filter, size, from }: Wanted,
  signal: AbortSignal,
): Promise<DeadLetterPage> {
  const ranges = narrowedRanges(filter, await deadLetterRanges(deps, integrationId));
  const page = new NewestDeadLetters(size, from);
  const scan = new BackwardScan(deps, integrationId, filter, ranges, signal);
  if (from) scan.end = Math.min(scan.end, from.partition === 0 ? from.offset : from.offset + 1);
  const isFiltered = isNarrow(filter);
  // With a filter it goes on to count, for nothing else tells how many there are.
  while ((!page.isMore || isFiltered) && (await scan.hasMore())) {
    for (const one of await scan.next(size + 1)) page.offer(one);
  }
  const { kept, count } = page;
  const listed = from?.listed ?? 0;
  const rest = isFiltered ? 0 : await scan.remaining();
  const last = page.isMore ? kept.at(-1) : scan.isAtStart ? undefined : { partition: 0, offset: scan.end };
  const next = last && { partition: last.partition, offset: last.offset, listed: listed + kept.length };
  return { kept, total: listed + count + rest, next };
}

/** Whether it leaves out more than those that were put back. */
function isNarrow(filter: DeadLetterFilter | undefined): boolean {
  if (!filter) return false;
  const { ids, failureClasses, topicFilter, clientId, startTime, endTime } = filter;
  const isSet = topicFilter !== '' || clientId !== '' || startTime !== undefined || endTime !== undefined;
  return isSet || ids.length > 0 || failureClasses.length > 0;
}

/** Reads dead letters part by part, each before the one read last, for as long as one page may take. */
class BackwardScan {
  readonly #deps: DeadLetterDeps;
  readonly #integrationId: string;
  readonly #filter: DeadLetterFilter | undefined;
  readonly #ranges: Ranges;
  readonly #signal: AbortSignal;
  readonly #start: number;
  /** What is wanted by id: the largest last. */
  readonly #wanted: readonly number[];
  #lookedAt = 0;
  #reads = 0;
  #bytes = 0;
  #most = MAX_LOOKED_AT;
  /** Everything from this offset on was looked at, of each partition. */
  end: number;

  constructor(
    deps: DeadLetterDeps,
    integrationId: string,
    filter: DeadLetterFilter | undefined,
    ranges: Ranges,
    signal: AbortSignal,
  ) {
    this.#deps = deps;
    this.#integrationId = integrationId;
    this.#filter = filter;
    this.#ranges = ranges;
    this.#signal = signal;
    this.#start = Math.min(...[...ranges.values()].map(({ start }) => start));
    this.end = Math.max(...[...ranges.values()].map(({ end }) => end));
    this.#wanted = (filter?.ids ?? []).map((id) => Number(id.split('-')[1])).sort((a, b) => a - b);
  }

  get isAtStart(): boolean {
    return !(this.end > this.#start); // without partitions, the end is before the start
  }

  /** Whether it was enough for one page: each looks at something, so that the next one goes on. */
  get #isLong(): boolean {
    if (this.#lookedAt >= MAX_LOOKED_AT || this.#reads >= MAX_READS) return true;
    return this.#bytes >= MAX_BYTES && this.#lookedAt > 0;
  }

  /** Steps over what is not wanted, and answers whether there is more that this page may look at. */
  async hasMore(): Promise<boolean> {
    if (this.#wanted.length > 0) {
      const wanted = this.#wanted.findLast((offset) => offset < this.end) ?? Number.NEGATIVE_INFINITY;
      this.end = Math.min(this.end, wanted + 1);
    }
    if (this.isAtStart || this.#isLong) return false;
    if (this.#filter?.includeRedriven) return true;
    const ends = [...this.#ranges].map(async ([partition, { start, end }]) => {
      const before = Math.min(end, this.end);
      return before <= start
        ? start
        : await unmarkedEnd(this.#deps.db, this.#integrationId, partition, before);
    });
    this.end = Math.max(...(await Promise.all(ends)));
    return !this.isAtStart;
  }

  /** What passes of the next part: of about as many offsets as are wanted, the older the part the more. */
  async next(wanted: number): Promise<readonly FoundDeadLetter[]> {
    const most = Math.min(this.#most, MAX_LOOKED_AT - this.#lookedAt);
    const offsets = Math.max(1, Math.min(most, Math.max(wanted, 3 * this.#lookedAt)));
    const from = Math.max(this.#start, this.end - offsets);
    const ranges = new Map<number, { start: number; end: number }>();
    for (const [partition, { start, end }] of this.#ranges) {
      const part = { start: Math.max(start, from), end: Math.min(end, this.end) };
      if (part.start < part.end) ranges.set(partition, part);
    }
    const found: FoundDeadLetter[] = [];
    const maxBytes = offsets > 1 ? MAX_BYTES_A_READ : Number.POSITIVE_INFINITY;
    const selection = { filter: this.#filter, ranges, maxBytes };
    const { isWhole, records, bytes } = await findDeadLetters(
      this.#deps,
      this.#integrationId,
      selection,
      this.#signal,
      async (some) => {
        found.push(...some);
      },
    );
    this.#reads++;
    this.#bytes += bytes;
    if (!isWhole) {
      // As many as fit, by those that were read, and surely fewer than these.
      const fitting = Math.floor((MAX_BYTES_A_READ / 2) * (records / bytes));
      this.#most = Math.max(1, Math.min(fitting, Math.ceil(offsets / 4)));
      return [];
    }
    this.#lookedAt += offsets;
    this.end = from;
    return found;
  }

  /** How many offsets before were not looked at, without those that were put back. */
  async remaining(): Promise<number> {
    let remaining = 0;
    for (const [partition, { start, end }] of this.#ranges) {
      const range = { start, end: Math.min(end, this.end) };
      if (range.start >= range.end) continue;
      remaining += range.end - range.start;
      if (this.#filter?.includeRedriven) continue;
      remaining -= await countMarked(this.#deps.db, this.#integrationId, partition, range);
    }
    return remaining;
  }
}
