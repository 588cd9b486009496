import { useEffect } from 'preact/hooks';
import { FailureNotice } from '../../ui/notice.tsx';
import { redrives } from './redriving.ts';

interface ProgressProps {
  readonly integrationId: string;
  /** It is over, however it ended. */
  readonly onEnd: () => void;
}

/** How far a redrive is, as its stream tells. */
export function RedriveProgress({ integrationId, onEnd }: ProgressProps) {
  const run = redrives.runs.value.get(integrationId);
  const isOver = run && run.state !== 'running' && run.state !== 'stopping';
  useEffect(() => {
    if (isOver) onEnd();
  }, [isOver]);
  if (!run) return null;
  const of = `${run.redriven.toLocaleString('en')} of ${run.total.toLocaleString('en')}`;
  const forget = () => redrives.forget(integrationId);
  return (
    <div class="redrive">
      {run.failure && <FailureNotice failure={run.failure} />}
      <div class="notice" role="status">
        {isOver ? (
          <p>
            {run.state === 'done'
              ? 'Put back: '
              : run.state === 'stopped'
                ? 'Stopped. Put back: '
                : 'Put back before: '}
            {of}.{' '}
            <button type="button" class="link" onClick={forget}>
              OK
            </button>
          </p>
        ) : (
          <p>
            Putting back: {of}{' '}
            <progress
              aria-label="Put back"
              max={Math.max(1, Number(run.total))}
              value={Number(run.redriven)}
            />{' '}
            <button
              type="button"
              disabled={run.state === 'stopping'}
              onClick={() => redrives.stop(integrationId)}
            >
              {run.state === 'stopping' ? 'Stopping…' : 'Stop'}
            </button>
          </p>
        )}
      </div>
    </div>
  );
}
