import { type Integration, IntegrationState, IntegrationType } from '../../../../src/client/contract.ts';
import { matches } from '../../../../src/topic-filter/topic-filter.ts';
import { type AllRates, isFailing, RATE_KEYS, type RateKey, rateOf } from '../../live/rates.ts';

/** What of the list is shown, as the URL has it. */
export interface Selection {
  /** In name, description, topic filters, labels or id. */
  readonly text: string;
  readonly type: IntegrationType | undefined;
  readonly state: IntegrationState | undefined;
  /** A topic name that it takes. */
  readonly takes: string;
  readonly sort: SortKey;
  readonly isDescending: boolean;
}

export const SORT_KEYS = ['state', 'name', 'type', 'lag', 'since', 'delivered', ...RATE_KEYS] as const;
export type SortKey = (typeof SORT_KEYS)[number];

export function selectionOf(query: URLSearchParams): Selection {
  const sort = query.get('sort') ?? '';
  const key = SORT_KEYS.find((one) => one === sort.replace(/^-/, '')) ?? 'state';
  // The names of the schema, in lower case: links stay readable, and right when a newer version numbers more.
  return {
    text: (query.get('q') ?? '').trim().toLowerCase(),
    type: numberOf(IntegrationType, query.get('type')),
    state: numberOf(IntegrationState, query.get('state')),
    takes: query.get('takes') ?? '',
    sort: key,
    isDescending: sort.startsWith('-'),
  };
}

/** The value of an enum by its name in lower case; undefined: there is none, or none that means something. */
function numberOf<T extends number>(values: Readonly<Record<string, T>>, name: string | null): T | undefined {
  return Object.entries(values).find(([key, value]) => value > 0 && key.toLowerCase() === name)?.[1];
}

export function isSelected(one: Integration, { text, type, state, takes }: Selection): boolean {
  if (type !== undefined && one.type !== type) return false;
  if (state !== undefined && one.status?.state !== state) return false;
  if (takes !== '' && !one.topicFilters.some((filter) => matches(filter, takes))) return false;
  return text === '' || textOf(one).includes(text);
}

function textOf({ id, name, description, topicFilters, labels }: Integration): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return [name, description, id, ...topicFilters, ...pairs].join('\n').toLowerCase();
}

/** What needs somebody comes first. */
const URGENCY: Readonly<Record<IntegrationState, number>> = {
  [IntegrationState.FAILED]: 0,
  [IntegrationState.PENDING]: 1,
  [IntegrationState.ACTIVE]: 2,
  [IntegrationState.UNSPECIFIED]: 3,
  [IntegrationState.DISABLED]: 4,
};

/** In the order that is selected; equal ones by name, then id. @param rates by which they may be ordered */
export function sorted(
  all: Iterable<Integration>,
  selection: Selection,
  rates: AllRates = new Map(),
): Integration[] {
  const { sort, isDescending } = selection;
  const sign = isDescending ? -1 : 1;
  const compare = COMPARE[sort];
  return [...all].sort((a, b) => sign * compare(a, b, rates) || order(a.name, b.name) || order(a.id, b.id));
}

type Compare = (a: Integration, b: Integration, rates: AllRates) => number;
const byRate =
  (key: RateKey): Compare =>
  (a, b, rates) =>
    (rateOf(rates.get(a.id), key) ?? -1) - (rateOf(rates.get(b.id), key) ?? -1);
const COMPARE: Readonly<Record<SortKey, Compare>> = {
  state: (a, b, rates) => urgencyOf(a, rates) - urgencyOf(b, rates),
  name: (a, b) => order(a.name, b.name),
  type: (a, b) => a.type - b.type,
  lag: (a, b) => Number((a.status?.lag ?? -1n) - (b.status?.lag ?? -1n)),
  since: (a, b) => order(a.status?.since?.seconds ?? 0n, b.status?.since?.seconds ?? 0n),
  delivered: (a, b) =>
    order(a.status?.lastDeliveredTime?.seconds ?? 0n, b.status?.lastDeliveredTime?.seconds ?? 0n),
  in: byRate('in'),
  out: byRate('out'),
  failures: byRate('failures'),
};

/** One that is active, and whose attempts fail, comes before those that are well. */
function urgencyOf({ id, status }: Integration, rates: AllRates): number {
  const urgency = URGENCY[status?.state ?? IntegrationState.UNSPECIFIED] ?? 3;
  return status?.state === IntegrationState.ACTIVE && isFailing(rates.get(id)) ? urgency - 0.5 : urgency;
}
const order = <T extends string | bigint>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);

/** How many there are of each state. */
export function countsOf(all: Iterable<Integration>): ReadonlyMap<IntegrationState, number> {
  const counts = new Map<IntegrationState, number>();
  for (const { status } of all) {
    const state = status?.state ?? IntegrationState.UNSPECIFIED;
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return counts;
}

/** The order of rows that are shown already, kept while somebody is at them: what is new comes last, what is gone is left out. */
export function kept(shown: readonly string[], now: readonly Integration[]): Integration[] {
  const byId = new Map(now.map((one) => [one.id, one]));
  const known = shown.flatMap((id) => byId.get(id) ?? []);
  const before = new Set(shown);
  return [...known, ...now.filter(({ id }) => !before.has(id))];
}
