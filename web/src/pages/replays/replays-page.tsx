import { useState } from 'preact/hooks';
import type { Replay } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { usePages } from '../../api/use-pages.ts';
import { query, setQuery } from '../../app/location.ts';
import { zone } from '../../app/preferences.ts';
import { integrationPath } from '../../app/routes.ts';
import { isRunning, renewed, replaysIn } from '../../live/jobs.ts';
import { integrations, jobs, syncs } from '../../live/live.ts';
import { More } from '../../ui/more.tsx';
import { replayStateName } from '../../ui/names.ts';
import { Empty, FailureNotice, Loading } from '../../ui/notice.tsx';
import { TableHead } from '../../ui/table-head.tsx';
import { At } from '../../ui/time.tsx';
import { JobEnd, JobState } from './job-cells.tsx';
import { RedriveList } from './redrive-list.tsx';
import { rangeText, shareOf } from './replay-text.ts';

const PAGE = 50;

/** The replays that run, and those that ended. */
export function ReplaysPage() {
  const integrationId = query.value.get('integration') ?? '';
  const [turn, setTurn] = useState(0);
  const pages = usePages(
    async (pageToken, signal) => {
      const request = { integrationId, pageSize: PAGE, pageToken };
      const { replays, nextPageToken } = await api.replays.listReplays(request, signal && { signal });
      return { items: replays, token: nextPageToken };
    },
    integrationId,
    // One that ended while the stream was cut is told by the list alone.
    [syncs.value, turn],
  );
  const { items, page, failure, loadMore } = pages;
  const isOfIt = ({ integrationId: from, targetIntegrationId: to }: Replay) =>
    integrationId === '' || integrationId === from || integrationId === to;
  const rows = page ? renewed(items, replaysIn(jobs.value).filter(isOfIt)) : [];
  return (
    <>
      <header class="page-head">
        <h1>Replays</h1>
        {integrationId !== '' && <OfOne id={integrationId} />}
        <p>
          <button type="button" class="link" onClick={() => setTurn((n) => n + 1)}>
            reload
          </button>
        </p>
      </header>
      {failure && <FailureNotice failure={failure} />}
      {!page && !failure && <Loading what="the replays" />}
      {page && rows.length === 0 && !loadMore && <NoReplays />}
      {rows.length > 0 && <Table replays={rows} />}
      <More text="Older ones" pages={pages} />
      <RedriveList integrationId={integrationId} turn={turn} />
    </>
  );
}

const nameOf = (id: string): string => integrations.value.get(id)?.name ?? id;

function OfOne({ id }: { readonly id: string }) {
  return (
    <p>
      From or to <a href={integrationPath(id)}>{nameOf(id)}</a>{' '}
      <button type="button" class="link" onClick={() => setQuery({ integration: '' })}>
        show all
      </button>
    </p>
  );
}

function NoReplays() {
  return (
    <Empty title="No replays">
      <p>
        What an integration took in can be delivered again, as long as Kafka keeps it: begin with{' '}
        <b>Replay</b> on the page of an integration.
      </p>
      <p>
        <a href="/integrations">To the integrations</a>
      </p>
    </Empty>
  );
}

function Table({ replays }: { readonly replays: readonly Replay[] }) {
  return (
    <table class="listing" aria-label="Replays">
      <TableHead names={['Started', 'State', 'From', 'To', 'Messages', 'Sent', 'Says']} />
      <tbody>
        {replays.map((one) => (
          <Row key={one.id} replay={one} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ replay }: { readonly replay: Replay }) {
  const { id, integrationId, targetIntegrationId, state, total, replayed, createTime } = replay;
  const isGoing = isRunning(replay);
  return (
    <tr title={id}>
      <td class="nowrap">
        <At time={createTime} />
      </td>
      <td>
        <JobState state={state} name={replayStateName(state)} />
      </td>
      <td data-label="From">
        <a href={integrationPath(integrationId)}>{nameOf(integrationId)}</a>
      </td>
      <td data-label="To">
        <a href={integrationPath(targetIntegrationId)}>{nameOf(targetIntegrationId)}</a>
      </td>
      <td class="pre" data-label="Messages">
        {rangeText(replay, zone.value)}
      </td>
      <td class="number" data-label="Sent">
        {replayed.toLocaleString('en')} of {total.toLocaleString('en')}
        {isGoing && <progress aria-label="Sent" max={1} value={shareOf(replay)} />}
      </td>
      <JobEnd
        job={replay}
        method="ReplayService/CancelReplay"
        onCancel={() => api.replays.cancelReplay({ id })}
      />
    </tr>
  );
}
