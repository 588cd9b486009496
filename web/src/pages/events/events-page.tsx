import { EventKind } from '../../../../src/client/contract.ts';
import { query, setQuery } from '../../app/location.ts';
import { kindName } from '../../ui/names.ts';
import { EventTable } from './event-table.tsx';
import { useEvents } from './use-events.ts';

/** Those that the stream tells: figures have charts. */
const KINDS = [EventKind.LIFECYCLE, EventKind.ERROR];

/** What happened to all integrations, as it happens. */
export function EventsPage() {
  const chosen = KINDS.filter((kind) => query.value.get('kind') === kindName(kind));
  const shown = useEvents('', chosen.length > 0 ? chosen : KINDS);
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
                onClick={() => setQuery({ kind: chosen.includes(kind) ? '' : kindName(kind) })}
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
