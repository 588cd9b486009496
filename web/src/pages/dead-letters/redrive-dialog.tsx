import { useState } from 'preact/hooks';
import type { Integration } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { newRequestId } from '../../api/request-id.ts';
import { useAction } from '../../api/use-action.ts';
import { useQuery } from '../../api/use-query.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { FailureNotice } from '../../ui/notice.tsx';
import { readRate } from '../../ui/rate.ts';
import type { LetterFilter } from './letter-filter.ts';

/** Which dead letters are to be put back. */
export interface Choice {
  /** Such as `12 dead letters that the filter finds`. */
  readonly text: string;
  readonly filter: LetterFilter;
}

interface RedriveProps {
  readonly integration: Integration;
  readonly choice: Choice;
  /** It was started. */
  readonly onStarted: (id: string) => void;
  readonly onClose: () => void;
}

/** Says what a redrive does, and how many it puts back, before it does it. */
export function RedriveDialog({ integration, choice, onStarted, onClose }: RedriveProps) {
  const { id, name } = integration;
  const [rateText, setRateText] = useState('');
  const [requestId] = useState(newRequestId);
  const rate = readRate(rateText);
  const request = { integrationId: id, filter: choice.filter };
  const counted = useQuery(
    (signal) => api.deadLetters.startRedrive({ ...request, validateOnly: true }, { signal }),
    [id],
  );
  const total = counted.value?.redrive?.total;
  const start = useAction(
    () => api.deadLetters.startRedrive({ ...request, maxRate: rate.value ?? 0, requestId }),
    ({ redrive }) => {
      onStarted(redrive?.id ?? '');
      onClose();
    },
  );
  const isOff =
    rate.value === undefined || start.isRunning || (total === undefined && !counted.failure) || total === 0n;
  const failure = start.failure ?? counted.failure;
  return (
    <Dialog title={`Redrive to ${name}?`} onClose={onClose}>
      <What integration={integration} choice={choice} />
      <p role="status">
        {total !== undefined &&
          (total === 1n
            ? '1 is there to be put back.'
            : `${total.toLocaleString('en')} are there to be put back.`)}
        {total === undefined && !counted.failure && 'Counting them…'}
      </p>
      {failure && <FailureNotice failure={failure} />}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!isOff) start.run();
        }}
      >
        <label>
          Messages in a second
          <input
            inputMode="numeric"
            placeholder="1000"
            value={rateText}
            aria-invalid={rate.value === undefined}
            onInput={({ currentTarget }) => setRateText(currentTarget.value)}
          />
        </label>
        {rate.problem !== undefined && <p class="problem">{rate.problem}</p>}
        <div class="actions">
          <button type="submit" class="primary" disabled={isOff}>
            {start.isRunning ? 'Starting…' : 'Redrive'}
          </button>
          <button type="button" onClick={onClose}>
            Leave them
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function What({ integration: { enabled, status }, choice }: Pick<RedriveProps, 'integration' | 'choice'>) {
  const waiting = status?.lag ?? 0n;
  return (
    <>
      <p>
        Puts {choice.text} on its message topic again, the oldest first, behind{' '}
        {waiting > 0n ? `${waiting.toLocaleString('en')} messages that wait there` : 'what waits there'}: they
        come after what was published meanwhile.
      </p>
      {choice.filter.includeRedriven && <p>Those that were put back before are sent once more.</p>}
      {!enabled && <p>It is disabled: they wait there until it is enabled.</p>}
      <p class="quiet">It runs on the server, whether this page is open or not.</p>
    </>
  );
}
