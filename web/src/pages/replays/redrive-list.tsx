import type { Redrive } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { usePages } from '../../api/use-pages.ts';
import { zone } from '../../app/preferences.ts';
import { integrationPath } from '../../app/routes.ts';
import { isRunning, redrivesIn, renewed } from '../../live/jobs.ts';
import { integrations, jobs, syncs } from '../../live/live.ts';
import { More } from '../../ui/more.tsx';
import { redriveStateName } from '../../ui/names.ts';
import { FailureNotice } from '../../ui/notice.tsx';
import { TableHead } from '../../ui/table-head.tsx';
import { At } from '../../ui/time.tsx';
import { filterText } from '../dead-letters/redrive-text.ts';
import { JobEnd, JobState } from './job-cells.tsx';

const PAGE = 50;

interface RedriveListProps {
  /** Of this one; empty: of all. */
  readonly integrationId: string;
  /** With another number they are asked for again. */
  readonly turn: number;
}

/** The redrives that run, and those that ended. */
export function RedriveList({ integrationId, turn }: RedriveListProps) {
  const pages = usePages(
    async (pageToken, signal) => {
      const request = { integrationId, pageSize: PAGE, pageToken };
      const { redrives, nextPageToken } = await api.deadLetters.listRedrives(request, signal && { signal });
      return { items: redrives, token: nextPageToken };
    },
    integrationId,
    // One that ended while the stream was cut is told by the list alone.
    [syncs.value, turn],
  );
  const { items, page, failure } = pages;
  const told = redrivesIn(jobs.value).filter(
    (one) => integrationId === '' || one.integrationId === integrationId,
  );
  const rows = page ? renewed(items, told) : [];
  if (rows.length === 0 && !failure) return null;
  return (
    <section>
      <h2>Redrives</h2>
      {failure && <FailureNotice failure={failure} />}
      {rows.length > 0 && (
        <table class="listing" aria-label="Redrives">
          <TableHead names={['Started', 'State', 'Integration', 'Dead letters', 'Put back', 'Says']} />
          <tbody>
            {rows.map((one) => (
              <Row key={one.id} redrive={one} />
            ))}
          </tbody>
        </table>
      )}
      <More text="Older redrives" pages={pages} />
    </section>
  );
}

function Row({ redrive }: { readonly redrive: Redrive }) {
  const { id, integrationId, filter, state, total, redriven, createTime } = redrive;
  const isGoing = isRunning(redrive);
  return (
    <tr title={id}>
      <td class="nowrap">
        <At time={createTime} />
      </td>
      <td>
        <JobState state={state} name={redriveStateName(state)} />
      </td>
      <td data-label="Integration">
        <a href={integrationPath(integrationId, 'dead-letters')}>
          {integrations.value.get(integrationId)?.name ?? integrationId}
        </a>
      </td>
      <td class="pre" data-label="Dead letters">
        {filterText(filter, zone.value)}
      </td>
      <td class="number" data-label="Put back">
        {redriven.toLocaleString('en')} of {total?.toLocaleString('en') ?? '…'}
        {isGoing && (
          <progress aria-label="Put back" max={Math.max(1, Number(total ?? 0))} value={Number(redriven)} />
        )}
      </td>
      <JobEnd
        job={redrive}
        method="DeadLetterService/CancelRedrive"
        onCancel={() => api.deadLetters.cancelRedrive({ id })}
      />
    </tr>
  );
}
