import { useState } from 'preact/hooks';
import type { Envelope, Integration, ListedDeadLetter } from '../../../../src/client/contract.ts';
import { Lazy } from '../../app/lazy.tsx';
import { query, setQuery } from '../../app/location.ts';
import { More } from '../../ui/more.tsx';
import { Empty, FailureNotice, Loading } from '../../ui/notice.tsx';
import { RoleButton } from '../../ui/role-button.tsx';
import { Filters } from './filters.tsx';
import { countText, groupsOf, groupText } from './groups.ts';
import { LetterDialog } from './letter-dialog.tsx';
import { FILTER_NAMES, filterOf, isNarrowed, type LetterFilter } from './letter-filter.ts';
import { LetterTable } from './letter-table.tsx';
import { PurgeDialog } from './purge-dialog.tsx';
import { type Choice, RedriveDialog } from './redrive-dialog.tsx';
import { RedriveProgress, redriveOf } from './redrive-progress.tsx';
import { type ShownLetters, useLetters } from './use-letters.ts';

const loadTryDialog = () => import('../trial/try-dialog.tsx');

/** What an integration gave up: why, what it was, and sending it again. */
export function DeadLetters({ integration }: { readonly integration: Integration }) {
  const { id } = integration;
  const read = filterOf(query.value);
  const filter = 'filter' in read ? read.filter : undefined;
  const shown = useLetters(id, filter);
  const [choice, setChoice] = useState<Choice>();
  const [followed, setFollowed] = useState('');
  const [isPurging, setPurging] = useState(false);
  const [tried, setTried] = useState<Envelope>();
  const openId = query.value.get('letter') ?? '';
  const letters = shown.found?.letters ?? [];
  const redriveOne = ({ id: one, redrivenTime }: ListedDeadLetter) => {
    setQuery({ letter: '' });
    setChoice({
      text: `dead letter ${one}`,
      filter: { ids: [one], includeRedriven: redrivenTime !== undefined },
    });
  };
  return (
    <>
      <Filters />
      <RedriveProgress integrationId={id} followed={followed} onFollow={setFollowed} onEnd={shown.reload} />
      {'problem' in read && (
        <p class="notice bad" role="alert">
          {read.problem} Nothing is looked for until that is changed.
        </p>
      )}
      {shown.failure && <FailureNotice failure={shown.failure} />}
      {filter && (
        <Found
          integration={integration}
          filter={filter}
          shown={shown}
          onRedrive={setChoice}
          onPurge={() => setPurging(true)}
        />
      )}
      {openId !== '' && (
        <LetterDialog
          key={openId}
          integrationId={id}
          id={openId}
          loaded={letters.find((one) => one.id === openId)}
          onRedrive={redriveOne}
          onTry={(envelope) => {
            setQuery({ letter: '' });
            setTried(envelope);
          }}
          onClose={() => setQuery({ letter: '' })}
        />
      )}
      {tried && (
        <Lazy
          load={loadTryDialog}
          what="what tries a message"
          show={({ TryDialog }) => (
            <TryDialog {...integration} envelope={tried} onClose={() => setTried(undefined)} />
          )}
        />
      )}
      {choice && (
        <RedriveDialog
          integration={integration}
          choice={choice}
          onStarted={setFollowed}
          onClose={() => setChoice(undefined)}
        />
      )}
      {isPurging && (
        <PurgeDialog integration={integration} onClose={() => setPurging(false)} onPurged={shown.reload} />
      )}
    </>
  );
}

/** So many can be named in a filter. */
const MOST_IDS = 1000;

interface FoundProps {
  readonly integration: Integration;
  readonly filter: LetterFilter;
  readonly shown: ShownLetters;
  readonly onRedrive: (choice: Choice) => void;
  readonly onPurge: () => void;
}

function Found({ integration, filter, shown, onRedrive, onPurge }: FoundProps) {
  const { found, failure, isOutdated, loadMore, reload } = shown;
  if (!found) return failure ? null : <Loading what="the dead letters" />;
  const count = countText(found.total, found.isWhole || !isNarrowed(query.value));
  const group = query.value.get('group') ?? '';
  const groups = groupsOf(found.letters);
  const rows = group === '' ? found.letters : found.letters.filter((one) => groupText(one) === group);
  // A group is of what is loaded: these are put back, and no others.
  const choice: Choice =
    group === ''
      ? { text: `${count}${whichText(filter)}`, filter }
      : {
          text: `these ${Math.min(rows.length, MOST_IDS)}`,
          filter: { ...filter, ids: rows.slice(0, MOST_IDS).map(({ id }) => id) },
        };
  const isRunning = redriveOf(integration.id) !== undefined;
  return (
    <>
      <div class="actions found">
        <p role="status">
          {count}
          {isOutdated && ', and more since'}{' '}
          <button type="button" class="link" onClick={reload}>
            reload
          </button>
        </p>
        <RoleButton
          method="DeadLetterService/StartRedrive"
          text={group === '' ? 'Redrive…' : `Redrive these ${Math.min(rows.length, MOST_IDS)}…`}
          isOff={isRunning || found.total === 0n || (group !== '' && rows.length === 0)}
          onClick={() => onRedrive(choice)}
        />
        <RoleButton
          method="DeadLetterService/PurgeDeadLetters"
          text="Purge…"
          isOff={isRunning}
          onClick={onPurge}
        />
      </div>
      <Groups groups={groups} chosen={group} />
      {rows.length === 0 ? (
        <None name={integration.name} hasMore={loadMore !== undefined} group={group} />
      ) : (
        <LetterTable letters={rows} onOpen={(letter) => setQuery({ letter })} />
      )}
      <More text="Older ones" pages={shown} />
    </>
  );
}

function whichText({ includeRedriven }: LetterFilter): string {
  if (isNarrowed(query.value)) return ' that the filter finds';
  return includeRedriven ? ', all there are,' : ', all that were not put back yet,';
}

const MOST_GROUPS = 12;

/** What is loaded, by what it says: one is a filter of what is shown. */
function Groups({
  groups,
  chosen,
}: {
  readonly groups: ReturnType<typeof groupsOf>;
  readonly chosen: string;
}) {
  if (groups.length < 2 && chosen === '') return null;
  return (
    <ul class="groups" aria-label="By reason, of those loaded">
      {groups.slice(0, MOST_GROUPS).map(({ text, ids }) => (
        <li key={text}>
          <button
            type="button"
            title={text}
            aria-pressed={chosen === text}
            onClick={() => setQuery({ group: chosen === text ? '' : text })}
          >
            <b>{ids.length.toLocaleString('en')}</b> × {text}
          </button>
        </li>
      ))}
      {groups.length > MOST_GROUPS && <li class="quiet">and {groups.length - MOST_GROUPS} more reasons</li>}
    </ul>
  );
}

interface NoneProps {
  readonly name: string;
  readonly hasMore: boolean;
  readonly group: string;
}

function None({ name, hasMore, group }: NoneProps) {
  const showAll = () => setQuery(Object.fromEntries([...FILTER_NAMES, 'group'].map((one) => [one, ''])));
  if (!isNarrowed(query.value) && group === '')
    return (
      <Empty title="No dead letters">
        <p>{name} has given up nothing that was not put back.</p>
      </Empty>
    );
  return (
    <Empty title={hasMore ? 'None among those looked at so far' : 'No dead letter is like that'}>
      {group !== '' && <p>Of those that are loaded, none says “{group}”.</p>}
      <button type="button" onClick={showAll}>
        Show all
      </button>
    </Empty>
  );
}
