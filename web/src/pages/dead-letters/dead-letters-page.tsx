import type { Integration } from '../../../../src/client/contract.ts';
import { query, setQuery } from '../../app/location.ts';
import { integrationPath } from '../../app/routes.ts';
import { integrations, isSynced } from '../../live/live.ts';
import { typeName } from '../../ui/names.ts';
import { Empty, Loading } from '../../ui/notice.tsx';
import { State } from '../../ui/state.tsx';
import { TableHead } from '../../ui/table-head.tsx';
import { DeadLetters } from './dead-letters.tsx';
import { withDeadLetters } from './with-dead-letters.ts';

/** The dead letters of all integrations: who has any, and those of one that is chosen. */
export function DeadLettersPage() {
  const id = query.value.get('integration') ?? '';
  const chosen = integrations.value.get(id);
  return (
    <>
      <header class="page-head">
        <h1>Dead letters</h1>
        {chosen && (
          <p>
            Of <a href={integrationPath(id)}>{chosen.name}</a>{' '}
            <a href="/dead-letters" class="quiet">
              show all integrations
            </a>
          </p>
        )}
      </header>
      {chosen ? <DeadLetters key={id} integration={chosen} /> : <All isUnknown={id !== ''} />}
    </>
  );
}

function All({ isUnknown }: { readonly isUnknown: boolean }) {
  if (!isSynced.value) return <Loading what="the integrations" />;
  if (isUnknown)
    return (
      <Empty title="There is no such integration">
        <button type="button" onClick={() => setQuery({ integration: '' })}>
          Show all
        </button>
      </Empty>
    );
  const some = withDeadLetters(integrations.value.values());
  if (some.length === 0)
    return (
      <Empty title="No dead letters">
        <p>No integration has given up anything that was not put back. They are counted twice a minute.</p>
      </Empty>
    );
  return (
    <table class="listing" aria-label="Integrations with dead letters">
      <TableHead names={['Dead letters', 'Integration', 'Type', 'State']} />
      <tbody>
        {some.map((one) => (
          <Row key={one.id} integration={one} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ integration: { id, name, type, status } }: { readonly integration: Integration }) {
  return (
    <tr>
      <td class="number" data-label="Dead letters">
        {status?.deadLetters.toLocaleString('en')}
      </td>
      <td>
        <a href={`/dead-letters?integration=${encodeURIComponent(id)}`}>{name}</a>
      </td>
      <td data-label="Type">{typeName(type)}</td>
      <td data-label="State">
        <State state={status?.state ?? 0} />
      </td>
    </tr>
  );
}
