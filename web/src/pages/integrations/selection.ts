import { type Integration, IntegrationType } from '../../../../src/client/contract.ts';
import { matches } from '../../../../src/topic-filter/topic-filter.ts';
import { HEALTHS, type Health, healthOf, isActive } from '../../live/health.ts';
import { type AllRates, RATE_KEYS, type RateKey, type Rates, rateOf } from '../../live/rates.ts';
import { msOf } from '../../ui/times.ts';

/** What of the list is shown, as the URL has it. */
export interface Selection {
  /** In name, description, topic filters, labels or id. */
  readonly text: string;
  readonly type: IntegrationType | undefined;
  readonly health: Health | undefined;
  /** A topic name that it takes. */
  readonly takes: string;
  readonly sort: SortKey;
  readonly isDescending: boolean;
}

export const SORT_KEYS = [
  'state',
  'name',
  'type',
  'lag',
  'oldest',
  'dead',
  'since',
  'delivered',
  ...RATE_KEYS,
] as const;
export type SortKey = (typeof SORT_KEYS)[number];

/** What is known of figures alone: sorting by it asks for those of all that are listed. */
export const BY_FIGURES: readonly SortKey[] = ['oldest', ...RATE_KEYS];

export function selectionOf(query: URLSearchParams): Selection {
  const sort = query.get('sort') ?? '';
  const key = SORT_KEYS.find((one) => one === sort.replace(/^-/, '')) ?? 'state';
  const state = query.get('state');
  return {
    text: (query.get('q') ?? '').trim().toLowerCase(),
    type: numberOf(IntegrationType, query.get('type')),
    health: HEALTHS.find((one) => one === state && one !== 'unknown'),
    takes: query.get('takes') ?? '',
    sort: key,
    isDescending: sort.startsWith('-'),
  };
}

/** The value of an enum by its name in lower case; undefined: there is none, or none that means something. */
function numberOf<T extends number>(values: Readonly<Record<string, T>>, name: string | null): T | undefined {
  return Object.entries(values).find(([key, value]) => value > 0 && key.toLowerCase() === name)?.[1];
}

/** @param rates what is known of its figures */
export function isSelected(
  one: Integration,
  { text, type, health, takes }: Selection,
  rates?: Rates,
): boolean {
  if (type !== undefined && one.type !== type) return false;
  if (health !== undefined && !isLike(healthOf(one, rates), health)) return false;
  if (takes !== '' && !one.topicFilters.some((filter) => matches(filter, takes))) return false;
  return text === '' || textOf(one).includes(text);
}

const isLike = (is: Health, wanted: Health): boolean =>
  is === wanted || (wanted === 'active' && isActive(is));

/** Each is searched at every keystroke. */
const texts = new WeakMap<Integration, string>();

function textOf(one: Integration): string {
  const known = texts.get(one);
  if (known !== undefined) return known;
  const { id, name, description, topicFilters, labels } = one;
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  const text = [name, description, id, ...topicFilters, ...pairs].join('\n').toLowerCase();
  texts.set(one, text);
  return text;
}

export type Compare = (a: Integration, b: Integration) => number;

/** The order that is selected; equal ones by name, then id. @param rates by which they may be ordered */
export function orderOf({ sort, isDescending }: Selection, rates: AllRates = new Map()): Compare {
  const sign = isDescending ? -1 : 1;
  const compare = COMPARE[sort];
  return (a, b) => sign * compare(a, b, rates) || order(a.name, b.name) || order(a.id, b.id);
}

type CompareBy = (a: Integration, b: Integration, rates: AllRates) => number;
const byRate =
  (key: RateKey): CompareBy =>
  (a, b, rates) =>
    (rateOf(rates.get(a.id), key) ?? -1) - (rateOf(rates.get(b.id), key) ?? -1);
const COMPARE: Readonly<Record<SortKey, CompareBy>> = {
  state: (a, b, rates) => urgencyOf(a, rates) - urgencyOf(b, rates),
  name: (a, b) => order(a.name, b.name),
  type: (a, b) => a.type - b.type,
  lag: (a, b, rates) => order(lagOf(a, rates.get(a.id)) ?? -1n, lagOf(b, rates.get(b.id)) ?? -1n),
  oldest: (a, b, rates) => (oldestOf(rates.get(a.id)) ?? -1) - (oldestOf(rates.get(b.id)) ?? -1),
  dead: (a, b) => order(a.status?.deadLetters ?? 0n, b.status?.deadLetters ?? 0n),
  since: (a, b) => order(a.status?.since?.seconds ?? 0n, b.status?.since?.seconds ?? 0n),
  delivered: (a, b) =>
    order(a.status?.lastDeliveredTime?.seconds ?? 0n, b.status?.lastDeliveredTime?.seconds ?? 0n),
  in: byRate('in'),
  out: byRate('out'),
  failures: byRate('failures'),
};

/** What needs somebody comes first. */
const urgencyOf = (one: Integration, rates: AllRates): number =>
  HEALTHS.indexOf(healthOf(one, rates.get(one.id)));
const order = <T extends string | bigint>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);

/** How many messages wait for it. Undefined: it is not known. */
export const lagOf = ({ status }: Integration, rates: Rates | undefined): bigint | undefined =>
  rates?.figures.lag ?? status?.lag;

/** The age of the oldest that is taken and not settled, in milliseconds. Undefined: there is none, or it is not known. */
export function oldestOf(rates: Rates | undefined): number | undefined {
  const age = rates?.figures.oldestAge;
  return age && msOf(age);
}

/** How many there are of each. */
export function countsOf(
  all: Iterable<Integration>,
  rates: AllRates = new Map(),
): ReadonlyMap<Health, number> {
  const counts = new Map<Health, number>();
  for (const one of all) {
    const health = healthOf(one, rates.get(one.id));
    counts.set(health, (counts.get(health) ?? 0) + 1);
  }
  return counts;
}

/** The order of rows that are shown already, kept while somebody is at them: what is new comes last, what is gone is left out. */
export function kept(shown: readonly string[], now: readonly Integration[]): Integration[] {
  const byId = new Map(now.map((one) => [one.id, one]));
  const known = shown.flatMap((id) => byId.get(id) ?? []);
  if (known.length === now.length) return known;
  const before = new Set(shown);
  return [...known, ...now.filter(({ id }) => !before.has(id))];
}

/** Whether they are in an order. */
export const isInOrder = (rows: readonly Integration[], compare: Compare): boolean =>
  rows.every((one, i) => i === 0 || compare(rows[i - 1]!, one) <= 0);
