import type { Redrive, Replay } from '../../../../src/client/contract.ts';
import { useAction } from '../../api/use-action.ts';
import { isRunning } from '../../live/jobs.ts';
import { RoleButton } from '../../ui/role-button.tsx';
import { At } from '../../ui/time.tsx';

/** Of states of replays and redrives, which are numbered alike. */
const TONES = ['quiet', 'wait', 'good', 'quiet', 'bad'];

/** How far a replay or a redrive is, in a word. */
export function JobState({ state, name }: { readonly state: number; readonly name: string }) {
  return <span class={`state ${TONES[state] ?? 'quiet'}`}>{name}</span>;
}

interface JobEndProps {
  readonly job: Replay | Redrive;
  /** What cancels it, such as `ReplayService/CancelReplay`. */
  readonly method: string;
  readonly onCancel: () => Promise<unknown>;
}

/** Cancels one that runs; of one that has ended, when and why. */
export function JobEnd({ job, method, onCancel }: JobEndProps) {
  const cancel = useAction(onCancel);
  const { reason, finishTime } = job;
  return (
    <td class="pre">
      {isRunning(job) && (
        <RoleButton
          method={method}
          text={cancel.isRunning ? 'Cancelling…' : 'Cancel'}
          isOff={cancel.isRunning}
          onClick={() => cancel.run()}
        />
      )}
      {cancel.failure ? <span class="problem">{cancel.failure.text}</span> : reason}
      {finishTime && (
        <span class="quiet">
          {reason !== '' && '\n'}ended <At time={finishTime} />
        </span>
      )}
    </td>
  );
}
