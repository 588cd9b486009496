import { integrationPath } from '../../app/routes.ts';
import { integrations } from '../../live/live.ts';
import { More } from '../../ui/more.tsx';
import { Empty, FailureNotice, Loading } from '../../ui/notice.tsx';
import { TableHead } from '../../ui/table-head.tsx';
import { At } from '../../ui/time.tsx';
import { eventText } from './event-text.ts';
import { folded } from './folded.ts';
import type { ShownEvents } from './use-events.ts';

interface EventTableProps extends ShownEvents {
  /** Of one integration, which is not named in each row. */
  readonly isOfOne?: boolean;
}

export function EventTable({ isOfOne = false, ...shown }: EventTableProps) {
  const { events, failure, isLoading } = shown;
  if (isLoading) return <Loading what="the events" />;
  return (
    <>
      {failure && <FailureNotice failure={failure} />}
      {events.length > 0 && <Rows events={events} isOfOne={isOfOne} />}
      {events.length === 0 && !failure && <Empty title="Nothing has happened yet" />}
      <More text="Older ones" pages={shown} />
    </>
  );
}

interface RowsProps {
  readonly events: ShownEvents['events'];
  readonly isOfOne: boolean;
}

function Rows({ events, isOfOne }: RowsProps) {
  return (
    <table class="events">
      <TableHead names={['When', ...(isOfOne ? [] : ['Integration']), 'Executor', 'What', 'Says']} />
      <tbody>
        {folded(events).map(({ event, count }) => {
          const { what, text, isBad } = eventText(event);
          const { id, integrationId, serviceId, time } = event;
          return (
            <tr key={id} class={isBad ? 'bad' : ''}>
              <td class="nowrap">
                <At time={time} />
              </td>
              {!isOfOne && (
                <td>
                  <a href={integrationPath(integrationId)}>
                    {integrations.value.get(integrationId)?.name ?? integrationId}
                  </a>
                </td>
              )}
              <td>{serviceId}</td>
              <td class="nowrap">
                {what}
                {count > 1 && <b title="so often within a minute"> ×{count}</b>}
              </td>
              <td class="pre">{text}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
