import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { ErrorReport, Integration } from '../../../../src/client/contract.ts';
import { keep, storedText } from '../../app/preferences.ts';
import { integrationPath } from '../../app/routes.ts';
import type { Health } from '../../live/health.ts';
import { serverNow } from '../../live/live.ts';
import { areOld, type RateKey, type Rates, rateOf } from '../../live/rates.ts';
import { typeName } from '../../ui/names.ts';
import { numberText } from '../../ui/numbers.ts';
import { State, Unwell } from '../../ui/state.tsx';
import { Ago } from '../../ui/time.tsx';
import { spanText } from '../../ui/times.ts';
import { EnabledSwitch } from './enabled-switch.tsx';
import { problemOf } from './problem.ts';
import { lagOf, oldestOf, type SortKey } from './selection.ts';
import { SPARK } from './spark.ts';
import { sparkFor } from './use-sparks.ts';

/** What a row is made of. */
export interface Row {
  readonly integration: Integration;
  readonly rates: Rates | undefined;
  readonly health: Health;
  /** What went wrong with it last. */
  readonly error: ErrorReport | undefined;
}

export interface Column {
  readonly name: string;
  readonly head: string;
  readonly sort?: SortKey;
  /** Rows are nothing without it. */
  readonly isFixed?: true;
  readonly isHiddenAtFirst?: true;
  readonly cell: (row: Row) => ComponentChildren;
}

const td = (name: string, content: ComponentChildren, title?: string, kind = '') => (
  <td class={`col-${name} ${kind}`} title={title}>
    {content}
  </td>
);

const rate = (key: RateKey, head: string): Column => ({
  name: key,
  head,
  sort: key,
  cell: ({ rates }) => <Figure name={key} rates={rates} text={textOf(rateOf(rates, key))} />,
});

export const COLUMNS: readonly Column[] = [
  { name: 'state', head: 'State', sort: 'state', isFixed: true, cell: stateCell },
  { name: 'name', head: 'Name', sort: 'name', isFixed: true, cell: nameCell },
  {
    name: 'type',
    head: 'Type',
    sort: 'type',
    cell: ({ integration }) => td('type', typeName(integration.type)),
  },
  { name: 'filters', head: 'Topic filters', cell: filtersCell },
  rate('in', 'In/s'),
  rate('out', 'Out/s'),
  {
    name: 'spark',
    head: '10 min',
    cell: ({ integration }) => td('spark', <Sparkline id={integration.id} />),
  },
  rate('failures', 'Failed/min'),
  {
    ...{ name: 'lag', head: 'Waiting', sort: 'lag' },
    cell: ({ integration, rates }) =>
      td('lag', lagOf(integration, rates)?.toLocaleString('en') ?? '–', undefined, 'number'),
  },
  {
    ...{ name: 'oldest', head: 'Oldest', sort: 'oldest' },
    cell: ({ rates }) => {
      const age = oldestOf(rates);
      return <Figure name="oldest" rates={rates} text={age === undefined ? '–' : spanText(age)} />;
    },
  },
  {
    ...{ name: 'dead', head: 'Dead letters', sort: 'dead' },
    cell: ({ integration: { id, status } }) =>
      td('dead', <DeadLetters id={id} count={status?.deadLetters} />, undefined, 'number'),
  },
  {
    ...{ name: 'delivered', head: 'Delivered', sort: 'delivered', isHiddenAtFirst: true },
    cell: ({ integration }) => td('delivered', <Ago time={integration.status?.lastDeliveredTime} />),
  },
  {
    ...{ name: 'since', head: 'Since', sort: 'since' },
    cell: ({ integration }) => td('since', <Ago time={integration.status?.since} />),
  },
  { name: 'executors', head: 'Runs on', cell: executorsCell },
  {
    ...{ name: 'enabled', head: 'Enabled' },
    cell: ({ integration }) => td('enabled', <EnabledSwitch integration={integration} />),
  },
];

/** The names of those that are not shown, as they were chosen in this browser. */
const hidden = signal<ReadonlySet<string>>(
  new Set(
    storedText('columns')?.split(',') ??
      COLUMNS.filter(({ isHiddenAtFirst }) => isHiddenAtFirst).map(({ name }) => name),
  ),
);

export const isShown = ({ name, isFixed }: Column): boolean => isFixed || !hidden.value.has(name);
export const shownColumns = (): readonly Column[] => COLUMNS.filter(isShown);

/** Shows a column from now on, or does not. */
export function showColumn({ name }: Column, isWanted: boolean): void {
  const others = [...hidden.value].filter((one) => one !== name);
  hidden.value = new Set(isWanted ? others : [...others, name]);
  keep('columns', [...hidden.value].join());
}

function stateCell({ integration: { status }, health }: Row) {
  return (
    <td class="col-state state-cell">
      <State state={status?.state ?? 0} />
      <Unwell health={health} />
    </td>
  );
}

function nameCell({ integration, health, error, rates }: Row) {
  const problem = problemOf(integration, health, error, rates);
  return (
    <td class="col-name two-lines">
      <a href={integrationPath(integration.id)}>{integration.name}</a>
      {problem === '' ? (
        integration.description !== '' && <span class="quiet">{integration.description}</span>
      ) : (
        <span class="reason" title={problem}>
          {problem.slice(0, 160)}
        </span>
      )}
    </td>
  );
}

function filtersCell({ integration: { topicFilters } }: Row) {
  const [first = '', ...more] = topicFilters;
  const others = more.length > 0 && <span class="quiet"> +{more.length}</span>;
  return td('filters', [<code key="first">{first}</code>, others], topicFilters.join('\n'));
}

function executorsCell({ integration: { status } }: Row) {
  const ids = (status?.executors ?? []).map(({ serviceId }) => serviceId);
  return td('executors', ids.length === 0 ? '–' : ids.length === 1 ? ids[0] : ids.length, ids.join('\n'));
}

const textOf = (value: number | undefined) => (value === undefined ? '–' : numberText(value));

/** One that is not renewed any more is grey, and says how old it is. */
function Figure({ name, rates, text }: { name: string; rates: Rates | undefined; text: string }) {
  if (!rates || text === '–') return td(name, '–', undefined, 'number quiet');
  if (!areOld(rates, serverNow.value)) return td(name, text, undefined, 'number');
  return td(name, text, `of ${spanText(serverNow.value - rates.time)} ago`, 'number old');
}

function DeadLetters({ id, count = 0n }: { readonly id: string; readonly count?: bigint | undefined }) {
  if (count === 0n) return '0';
  return <a href={integrationPath(id, 'dead-letters')}>{count.toLocaleString('en')}</a>;
}

/** Messages taken over ten minutes. Where nothing is known, nothing is drawn. */
function Sparkline({ id }: { readonly id: string }) {
  const spark = sparkFor(id);
  if (spark?.most === undefined) return null;
  const text = `Taken over ten minutes: at most ${numberText(spark.most)} a second`;
  return (
    <svg class="spark" viewBox={`0 0 ${SPARK.width} ${SPARK.height}`} role="img" aria-label={text}>
      <title>{text}</title>
      <path d={spark.path} />
    </svg>
  );
}
