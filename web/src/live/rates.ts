import type { IntegrationFigures } from '../../../src/client/contract.ts';
import { msOf } from '../ui/times.ts';

/** How many integrations one call is asked for. */
export const MAX_ASKED = 1000;
/** Of the rates, where they do not tell it, in milliseconds. */
const USUAL_INTERVAL = 10_000;
/** How long an integration is failing after an attempt failed, in milliseconds. */
const FAILING = 60_000;
/** How long what waits must grow for an integration to be behind, in milliseconds. */
const GROWING = 60_000;
/** What waits is followed while it is told at least so often, in milliseconds. */
const HOLE = 30_000;
/** Figures that were not asked for again for so long are forgotten, in milliseconds. */
const FORGOTTEN = 300_000;
/** Rows about those in view that are asked for with them, so that a small scroll asks nothing. */
const CHUNK = 50;

/** Figures of an integration, with what was seen before. Times in milliseconds by the server's clock. */
export interface Rates {
  readonly figures: IntegrationFigures;
  /** When they were answered. */
  readonly time: number;
  /** When it was last told that attempts failed; undefined: not since the page was opened. */
  readonly failedTime: number | undefined;
  /** What waited, for a little longer than it must grow to be told; the oldest first. */
  readonly waits: readonly Wait[];
}

/** How many messages waited at a time, in milliseconds. */
interface Wait {
  readonly time: number;
  readonly count: bigint;
}

/** By the integrations' ids. */
export type AllRates = ReadonlyMap<string, Rates>;

/** What is known after an answer. @param time of the answer, in milliseconds */
export function noted(before: AllRates, answered: readonly IntegrationFigures[], time: number): AllRates {
  const next = new Map([...before].filter(([, one]) => time - one.time < FORGOTTEN));
  for (const figures of answered) {
    const id = figures.integrationId;
    const hasFailed = figures.failedRate > 0;
    const failedTime = hasFailed ? (figures.time ? msOf(figures.time) : time) : before.get(id)?.failedTime;
    next.set(id, {
      figures,
      time,
      failedTime,
      waits: waitsOf(before.get(id)?.waits ?? [], figures.lag, time),
    });
  }
  return next;
}

function waitsOf(before: readonly Wait[], count: bigint | undefined, time: number): readonly Wait[] {
  if (count === undefined) return [];
  const last = before.at(-1);
  const isFollowed = last !== undefined && time - last.time <= HOLE;
  const kept = isFollowed ? before.filter((one) => time - one.time <= GROWING + HOLE) : [];
  return [...kept, { time, count }];
}

/** Whether an attempt failed in the last minute. */
export const isFailing = (one: Rates | undefined): boolean =>
  one?.failedTime !== undefined && one.time - one.failedTime < FAILING;

/**
 * By how much what waits has grown in the last minute: in that it never fell, and rose in both halves. As far as the page has seen.
 * @returns undefined: it has not, or that is not known
 */
export function grownBy(one: Rates | undefined): bigint | undefined {
  const waits = one?.waits ?? [];
  const now = waits.at(-1);
  const begin = waits.findLastIndex(({ time }) => now !== undefined && now.time - time >= GROWING);
  if (!now || begin === -1) return undefined;
  const minute = waits.slice(begin).map(({ count }) => count);
  const middle = minute[Math.floor(minute.length / 2)]!;
  const falls = minute.some((count, i) => i > 0 && count < minute[i - 1]!);
  const hasGrown = !falls && minute[0]! < middle && middle < now.count;
  return hasGrown ? now.count - minute[0]! : undefined;
}

/** Whether what waits has grown for a minute. */
export const isBehind = (one: Rates | undefined): boolean => grownBy(one) !== undefined;

/** Whether they are of more than two intervals ago. @param now in milliseconds */
export function areOld({ figures: { interval }, time }: Rates, now: number): boolean {
  return now - time > 2 * (interval ? msOf(interval) : USUAL_INTERVAL);
}

export const RATE_KEYS = ['in', 'out', 'failures'] as const;
export type RateKey = (typeof RATE_KEYS)[number];

/** Messages taken and delivered in a second, failed attempts in a minute. Undefined: no executor tells. */
export function rateOf(one: Rates | undefined, key: RateKey): number | undefined {
  if (!one?.figures.interval) return undefined;
  const { receivedRate, deliveredRate, failedRate } = one.figures;
  return { in: receivedRate, out: deliveredRate, failures: failedRate * 60 }[key];
}

/** Whether all that are listed are asked for, so that they can be sorted by what is answered. */
export const areAllAsked = (listed: number): boolean => listed <= MAX_ASKED;

/**
 * Whose figures are asked for: of all, of those that are listed, or, where those are too many, of the ones in view.
 * @param count how many integrations there are
 * @param shown the ids that are listed, in their order
 * @param view the numbers of the first one in view and of the one after the last
 * @returns ids, sorted; empty: all
 */
export function idsToAsk(
  count: number,
  shown: readonly string[],
  view: { readonly first: number; readonly end: number },
): readonly string[] {
  if (count <= MAX_ASKED) return [];
  if (areAllAsked(shown.length)) return shown.toSorted();
  const first = Math.floor(view.first / CHUNK) * CHUNK;
  return shown.slice(first, Math.max(Math.ceil(view.end / CHUNK) * CHUNK, CHUNK)).toSorted();
}
