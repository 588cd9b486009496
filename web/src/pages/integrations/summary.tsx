import { setQuery } from '../../app/location.ts';
import { rates } from '../../live/figures.ts';
import { type Health, isActive } from '../../live/health.ts';
import { integrations } from '../../live/live.ts';
import { areAllAsked, MAX_ASKED } from '../../live/rates.ts';
import { numberText } from '../../ui/numbers.ts';
import { selection } from './integration-table.tsx';
import { countsOf } from './selection.ts';
import { useTotals } from './use-sparks.ts';

const SUMMARY: readonly Health[] = ['failed', 'pending', 'active', 'failing', 'behind', 'disabled'];

/** How many there are of each state, each a filter; and what all of them do together. */
export function Summary() {
  const counts = countsOf(integrations.value.values(), rates.value);
  const active = [...counts].reduce((sum, [health, count]) => sum + (isActive(health) ? count : 0), 0);
  return (
    <div class="strip">
      <ul class="summary" aria-label="By state">
        {SUMMARY.map((health) => (
          <li key={health}>
            <Part health={health} count={health === 'active' ? active : (counts.get(health) ?? 0)} />
          </li>
        ))}
      </ul>
      <Together />
    </div>
  );
}

function Part({ health, count }: { readonly health: Health; readonly count: number }) {
  const isPressed = selection.value.health === health;
  const isRefined = health === 'failing' || health === 'behind';
  const isKnown = !isRefined || areAllAsked(integrations.value.size);
  const why = `Figures are asked for of up to ${MAX_ASKED.toLocaleString('en')}: it is not known of all`;
  return (
    <button
      type="button"
      class={isRefined ? 'part' : ''}
      aria-pressed={isPressed}
      disabled={!isKnown && !isPressed}
      title={isKnown ? undefined : why}
      onClick={() => setQuery({ state: isPressed ? '' : health })}
    >
      <b>{isKnown ? count : '–'}</b> {health}
    </button>
  );
}

/** Of the last whole minute. */
function Together() {
  const totals = useTotals();
  if (!totals) return null;
  return (
    <p class="quiet totals" title="All together, in the last whole minute">
      in <b>{numberText(totals.received)}</b>/s · out <b>{numberText(totals.delivered)}</b>/s · waiting{' '}
      <b>{totals.lag === undefined ? '–' : totals.lag.toLocaleString('en')}</b>
    </p>
  );
}
