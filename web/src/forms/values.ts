import { create, type DescField, type Message, ScalarType } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { type Duration, DurationSchema } from '@bufbuild/protobuf/wkt';

// How values stand in a control, and how what is typed is read. What cannot be read says why.

export type Read<T> = { readonly value: T | undefined } | { readonly problem: string };

const UNITS: Readonly<Record<string, bigint>> = {
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  min: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
};
const SECOND = 1_000_000_000n;

/** `1.5s`, `200ms`, `2m`, `1h`; empty: unset. */
export function readDuration(text: string): Read<Duration> {
  if (text.trim() === '') return { value: undefined };
  const [, whole = '', fraction = '', unit = ''] =
    /^\s*(\d{1,12})(?:\.(\d{1,9}))?\s*([a-z]+)\s*$/.exec(text) ?? [];
  const length = UNITS[unit];
  if (whole === '' || length === undefined)
    return { problem: 'must be a time such as 1.5s, 200ms, 2m or 1h' };
  const nanos = (BigInt(whole + fraction) * length) / 10n ** BigInt(fraction.length);
  return { value: create(DurationSchema, { seconds: nanos / SECOND, nanos: Number(nanos % SECOND) }) };
}

export function durationText({ seconds, nanos }: Pick<Duration, 'seconds' | 'nanos'>): string {
  const all = seconds * SECOND + BigInt(nanos);
  if (all !== 0n && all % SECOND !== 0n && all % UNITS.ms! === 0n && all < SECOND)
    return `${all / UNITS.ms!}ms`;
  const fraction = nanos === 0 ? '' : `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`;
  return `${seconds}${fraction}s`;
}

const SIZES: Readonly<Record<string, bigint>> = { KiB: 1n << 10n, MiB: 1n << 20n, GiB: 1n << 30n };
const WIDE: ReadonlySet<ScalarType> = new Set([ScalarType.INT64, ScalarType.UINT64]);
const MAX_UINT32 = 0xffff_ffffn;
const MAX_UINT64 = 0xffff_ffff_ffff_ffffn;

/** A whole number, also as a size such as `16 MiB`; empty: unset. Wide ones are a `bigint`. */
export function readNumber(text: string, { scalar }: DescField): Read<number | bigint> {
  if (text.trim() === '') return { value: undefined };
  const [, digits, unit] = /^\s*(\d{1,20})\s*([KMG]iB)?\s*$/.exec(text) ?? [];
  if (digits === undefined) return { problem: 'must be a whole number, or a size such as 16 MiB' };
  const value = BigInt(digits) * (unit === undefined ? 1n : SIZES[unit]!);
  const isWide = scalar !== undefined && WIDE.has(scalar);
  if (value > (isWide ? MAX_UINT64 : MAX_UINT32)) return { problem: 'is too large' };
  return { value: isWide ? value : Number(value) };
}

/** `16777216` of a field of bytes is `16 MiB`. */
export function numberText(value: number | bigint, { name }: DescField): string {
  const whole = BigInt(value);
  if (!/bytes$/.test(name) || whole === 0n) return String(value);
  for (const unit of ['GiB', 'MiB', 'KiB']) {
    if (whole % SIZES[unit]! === 0n) return `${whole / SIZES[unit]!} ${unit}`;
  }
  return String(value);
}

/** Sets a field, or clears it. @param value as the field holds it; undefined: it is cleared */
export function put(message: ReflectMessage, field: DescField, value: unknown): void {
  if (value === undefined) message.clear(field);
  else if (field.fieldKind === 'message') message.set(field, reflect(field.message, value as Message));
  else message.set(field, value as never);
}

/** The lines of a text that say something. */
export const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
