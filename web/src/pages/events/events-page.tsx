import { EventKind } from '../../../../src/client/contract.ts';
import { query, setQuery } from '../../app/location.ts';
import { kindName } from '../../ui/names.ts';
import { EventTable } from './event-table.tsx';
import { useEvents } from './use-events.ts';

const KINDS = [EventKind.LIFECYCLE, EventKind.ERROR, EventKind.STATISTICS];

/** What happened to all integrations, as it happens. */
export function EventsPage() {
  const chosen = KINDS.filter((kind) => query.value.get('kind') === String(kind));
  const shown = useEvents('', chosen);
  return (
    <>
      <header class="page-head">
        <h1>Events</h1>
        <ul class="summary" aria-label="By kind">
          {KINDS.map((kind) => (
            <li key={kind}>
              <button
                type="button"
                aria-pressed={chosen.includes(kind)}
                onClick={() => setQuery({ kind: chosen.includes(kind) ? '' : String(kind) })}
              >
                {kindName(kind)}
              </button>
            </li>
          ))}
        </ul>
      </header>
      <EventTable {...shown} />
    </>
  );
}
