import { useState } from 'preact/hooks';
import type { Envelope } from '../../../../src/client/contract.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { keepSample, keptSample, newSample, sampleOf } from './sample.ts';
import { SampleFields } from './sample-fields.tsx';
import { Trial } from './trial.tsx';

interface TryDialogProps {
  /** Of the integration. */
  readonly id: string;
  readonly name: string;
  readonly topicFilters: readonly string[];
  /** What it begins with. Unset: what was typed last. */
  readonly envelope?: Envelope;
  readonly onClose: () => void;
}

/** Delivers a message with what is stored: to this integration alone, and without a trace in its topic. */
export function TryDialog({ id, name, topicFilters, envelope, onClose }: TryDialogProps) {
  const [sample, setSample] = useState(
    () => (envelope ? sampleOf(envelope) : keptSample()) ?? newSample(topicFilters),
  );
  const change = (next: typeof sample) => {
    setSample(next);
    keepSample(next);
  };
  return (
    <Dialog title={`Try a message with ${name}`} onClose={onClose} isWide>
      <SampleFields sample={sample} onChange={change} />
      <Trial target={id} sample={sample} />
      <div class="actions">
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
