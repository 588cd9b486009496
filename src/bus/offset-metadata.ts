import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { SettledAheadSchema } from '../../gen/penstock/v1/offset_pb.ts';
import type { CommittedOffset, OffsetRange, SettledAhead } from './bus.ts';

/** What Kafka takes with an offset unless it is told otherwise (`offset.metadata.max.bytes`). */
export const METADATA_LIMIT = 4096;
/** What is further ahead than that is not remembered: reading it is to be bounded, too. */
const MAX_OFFSETS = 1_000_000;

/**
 * What is settled ahead, and the tag. Earlier versions take all of it for a tag: `~…~http/1@member` for another spread of
 * that member, which they wait for as long as it lives, and `~…@` for one of nobody.
 */
const FORM = /^~([\w-]+)(?:@|~(.+))$/s;

/** An offset's metadata, of no more characters than that: what does not fit of what is settled ahead is left out. */
export function metadataOf({ offset, ahead, tag }: CommittedOffset, limit = METADATA_LIMIT): string {
  const text = ahead ? encode(offset, ahead, limit - tag.length - 2) : '';
  if (text === '') return tag;
  return tag === '' ? `~${text}@` : `~${text}~${tag}`;
}

/** The metadata of a committed offset, in this form or an earlier one. */
export function parseMetadata(
  metadata: string | null,
  offset: number,
): Pick<CommittedOffset, 'tag' | 'ahead'> {
  const [, text, tag = ''] = FORM.exec(metadata ?? '') ?? [];
  if (text === undefined) return { tag: metadata ?? '' };
  const ahead = decode(text, offset);
  return ahead ? { tag, ahead } : { tag };
}

/** The shortest ranges are left out first: then no more can come again than was settled in between the others. */
function encode(offset: number, { latest, ranges }: SettledAhead, room: number): string {
  for (let kept = ranges; kept.length > 0; ) {
    const text = textOf(offset, latest, kept);
    if (text.length <= room) return text;
    const fitting = Math.floor((kept.length * room) / text.length);
    kept = longest(kept, Math.min(kept.length - 1, Math.max(0, fitting)));
  }
  return '';
}

function longest(ranges: readonly OffsetRange[], count: number): readonly OffsetRange[] {
  const lengthOf = ({ start, end }: OffsetRange) => end - start;
  const byLength = ranges.toSorted((a, b) => lengthOf(b) - lengthOf(a));
  return byLength.slice(0, count).toSorted((a, b) => a.start - b.start);
}

function textOf(offset: number, latest: number, ranges: readonly OffsetRange[]): string {
  const runs: number[] = [];
  let last = offset;
  for (const { start, end } of ranges) {
    runs.push(start - last, end - start);
    last = end;
  }
  const message = create(SettledAheadSchema, { offset: BigInt(offset), latest: BigInt(latest), runs });
  return Buffer.from(toBinary(SettledAheadSchema, message)).toString('base64url');
}

function decode(text: string, offset: number): SettledAhead | undefined {
  try {
    const found = fromBinary(SettledAheadSchema, Buffer.from(text, 'base64url'));
    if (found.offset !== BigInt(offset)) return undefined; // somebody moved the offset
    return { latest: Number(found.latest), ranges: rangesOf(offset, found.runs) };
  } catch {
    return undefined; // no promise depends on it
  }
}

function rangesOf(offset: number, runs: readonly number[]): readonly OffsetRange[] {
  const ranges: OffsetRange[] = [];
  const most = offset + MAX_OFFSETS;
  let last = offset;
  for (let i = 1; i < runs.length && last < most; i += 2) {
    const start = last + runs[i - 1]!;
    last = start + runs[i]!;
    if (start < most && start < last) ranges.push({ start, end: Math.min(last, most) });
  }
  return ranges;
}
