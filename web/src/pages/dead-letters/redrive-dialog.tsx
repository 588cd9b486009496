import { useState } from 'preact/hooks';
import type { Integration } from '../../../../src/client/contract.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { readRate } from '../../ui/rate.ts';
import type { LetterFilter } from './letter-filter.ts';
import { redrives } from './redriving.ts';

/** Which dead letters are to be put back. */
export interface Choice {
  /** Such as `12 dead letters that the filter finds`. */
  readonly text: string;
  readonly filter: LetterFilter;
}

interface RedriveProps {
  readonly integration: Integration;
  readonly choice: Choice;
  readonly onClose: () => void;
}

/** Says what a redrive does, before it does it. */
export function RedriveDialog({ integration, choice, onClose }: RedriveProps) {
  const { id, name, enabled, status } = integration;
  const [rateText, setRateText] = useState('');
  const rate = readRate(rateText);
  const waiting = status?.lag ?? 0n;
  return (
    <Dialog title={`Redrive to ${name}?`} onClose={onClose}>
      <p>
        Puts {choice.text} on its message topic again, the oldest first, behind{' '}
        {waiting > 0n ? `${waiting.toLocaleString('en')} messages that wait there` : 'what waits there'}: they
        come after what was published meanwhile.
      </p>
      {choice.filter.includeRedriven && <p>Those that were put back before are sent once more.</p>}
      {!enabled && <p>It is disabled: they wait there until it is enabled.</p>}
      <p class="quiet">It runs as long as this page is open.</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (rate.value === undefined) return;
          redrives.start({ integrationId: id, filter: choice.filter, maxRate: rate.value });
          onClose();
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
          <button type="submit" class="primary" disabled={rate.value === undefined}>
            Redrive
          </button>
          <button type="button" onClick={onClose}>
            Leave them
          </button>
        </div>
      </form>
    </Dialog>
  );
}
