import { IntegrationState } from '../../../src/client/contract.ts';
import type { Health } from '../live/health.ts';
import { stateName } from './names.ts';

const SHAPES: Readonly<Record<IntegrationState, { readonly path: string; readonly tone: string }>> = {
  [IntegrationState.UNSPECIFIED]: { path: 'M3 8h10', tone: 'quiet' },
  [IntegrationState.DISABLED]: { path: 'M3 8h10', tone: 'quiet' },
  [IntegrationState.PENDING]: { path: 'M8 3a5 5 0 1 1-5 5', tone: 'wait' },
  [IntegrationState.ACTIVE]: { path: 'M3 8.5l3.5 3.5L13 5', tone: 'good' },
  [IntegrationState.FAILED]: { path: 'M8 3v6M8 12.2v.6', tone: 'bad' },
};

/** Said beside ACTIVE: somebody runs it, and it is not well. */
export function Unwell({ health }: { readonly health: Health }) {
  const why = UNWELL[health];
  if (why === undefined) return null;
  return (
    <span class={`unwell ${health}`} title={why}>
      {health}
    </span>
  );
}

const UNWELL: Readonly<Partial<Record<Health, string>>> = {
  failing: 'Attempts to deliver failed in the last minute',
  behind: 'What waits has grown for a minute',
};

/** A state by its shape and its word; the colour says the same once more. */
export function State({ state }: { readonly state: IntegrationState }) {
  const { path, tone } = SHAPES[state] ?? SHAPES[IntegrationState.UNSPECIFIED];
  return (
    <span class={`state ${tone}`}>
      <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
        <path d={path} fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" />
      </svg>
      {stateName(state)}
    </span>
  );
}
