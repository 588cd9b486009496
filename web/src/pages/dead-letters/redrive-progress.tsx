import { useEffect } from 'preact/hooks';
import { type Redrive, RedriveState } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { useQuery } from '../../api/use-query.ts';
import { isRunning, redrivesIn } from '../../live/jobs.ts';
import { jobs, syncs } from '../../live/live.ts';
import { FailureNotice } from '../../ui/notice.tsx';
import { RoleButton } from '../../ui/role-button.tsx';
import { progressText } from './redrive-text.ts';

/** The redrive of an integration that is to go on; undefined: there is none. */
export const redriveOf = (integrationId: string): Redrive | undefined =>
  redrivesIn(jobs.value).find((one) => one.integrationId === integrationId && isRunning(one));

interface ProgressProps {
  readonly integrationId: string;
  /** The redrive that is looked at, also when it has ended; empty: none is. */
  readonly followed: string;
  readonly onFollow: (id: string) => void;
  /** It is over, however it ended. */
  readonly onEnd: () => void;
}

/** How far a redrive is, whoever started it. How one ended is told to who looked at it. */
export function RedriveProgress({ integrationId, followed, onFollow, onEnd }: ProgressProps) {
  const running = redriveOf(integrationId);
  const told = running ?? redrivesIn(jobs.value).find(({ id }) => id === followed);
  const lost = useLost(told ? '' : followed);
  const shown = told ?? lost.ended;
  useEffect(() => {
    if (running) onFollow(running.id);
  }, [running?.id]);
  const isOver = lost.failure !== undefined || (shown !== undefined && !isRunning(shown));
  useEffect(() => {
    if (isOver) onEnd();
  }, [isOver]);
  if (lost.failure) return <FailureNotice failure={lost.failure} />;
  if (!shown) return null;
  return isOver ? <Ended redrive={shown} onSeen={() => onFollow('')} /> : <Running redrive={shown} />;
}

/** How a redrive ended that the stream does not tell of any more: it was cut meanwhile. @param id empty: there is none */
function useLost(id: string) {
  const { value, failure } = useQuery(
    async (signal) =>
      id === '' ? undefined : (await api.deadLetters.getRedrive({ id }, { signal })).redrive,
    [id, syncs.value],
  );
  // One that runs is told of by the stream in a moment.
  return { ended: value?.id === id && !isRunning(value) ? value : undefined, failure };
}

function Running({ redrive }: { readonly redrive: Redrive }) {
  const { id, total, redriven } = redrive;
  const cancel = useAction(() => api.deadLetters.cancelRedrive({ id }));
  return (
    <div class="redrive">
      {cancel.failure && <FailureNotice failure={cancel.failure} />}
      <div class="notice" role="status">
        <p>
          {progressText(redrive)}{' '}
          {total !== undefined && (
            <progress aria-label="Put back" max={Math.max(1, Number(total))} value={Number(redriven)} />
          )}{' '}
          <RoleButton
            method="DeadLetterService/CancelRedrive"
            text={cancel.isRunning ? 'Stopping…' : 'Stop'}
            isOff={cancel.isRunning}
            onClick={() => cancel.run()}
          />
        </p>
      </div>
    </div>
  );
}

function Ended({ redrive, onSeen }: { readonly redrive: Redrive; readonly onSeen: () => void }) {
  const isBad = redrive.state === RedriveState.FAILED;
  return (
    <div class={isBad ? 'notice bad' : 'notice'} role={isBad ? 'alert' : 'status'}>
      <p>
        {progressText(redrive)}{' '}
        <button type="button" class="link" onClick={onSeen}>
          OK
        </button>
      </p>
    </div>
  );
}
