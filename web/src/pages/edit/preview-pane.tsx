import { useMemo, useState } from 'preact/hooks';
import type { Integration } from '../../../../src/client/contract.ts';
import { PayloadView } from '../dead-letters/payload-view.tsx';
import { previewOf, type Written } from '../trial/preview.ts';
import { envelopeOf, keepSample, keptSample, newSample, type Sample } from '../trial/sample.ts';
import { SampleFields } from '../trial/sample-fields.tsx';
import { Trial } from '../trial/trial.tsx';

interface PreviewPaneProps {
  readonly draft: Integration;
  /** How many things are wrong with it. */
  readonly faults: number;
  readonly onGo: (path: string) => void;
}

/** What a message would be sent as with the draft, and one real delivery of it. */
export function PreviewPane({ draft, faults, onGo }: PreviewPaneProps) {
  const [typed, setTyped] = useState<Sample | undefined>(keptSample);
  const sample = useMemo(() => typed ?? newSample(draft.topicFilters), [typed, draft.topicFilters]);
  const written = useMemo(() => previewOf(draft, envelopeOf(sample), Date.now()), [draft, sample]);
  const change = (next: Sample) => {
    setTyped(next);
    keepSample(next);
  };
  const hasType = draft.configuration.case !== undefined;
  const obstacle = !hasType
    ? 'Choose a type first.'
    : faults > 0
      ? 'Put right what is wrong first.'
      : undefined;
  return (
    <aside class="preview" aria-label="Preview">
      <h2>Preview</h2>
      <SampleFields sample={sample} onChange={change} />
      {written === undefined && (
        <p class="quiet">
          {hasType ? 'Of this type there is no preview.' : 'Choose a type to see what would be sent.'}
        </p>
      )}
      {written && 'problem' in written && (
        <p class="notice wait" role="status">
          This message cannot be sent: {written.problem}.{' '}
          {written.path !== '' && (
            <button type="button" class="link" onClick={() => onGo(written.path)}>
              <code>{written.path}</code>
            </button>
          )}
        </p>
      )}
      {written && 'to' in written && <Shown written={written} />}
      <h2>Try it</h2>
      <Trial target={draft} sample={sample} obstacle={obstacle} />
    </aside>
  );
}

function Shown({ written: { to, fields, body } }: { readonly written: Written }) {
  const bytes = useMemo(
    () => (typeof body === 'string' ? new TextEncoder().encode(body) : (body ?? undefined)),
    [body],
  );
  return (
    <section class="written" aria-label="What would be sent">
      <p class="pre to">{to}</p>
      {fields.length > 0 && (
        <table class="pairs">
          <tbody>
            {fields.map(([name, value], i) => (
              <tr key={`${i} ${name}`}>
                <th scope="row">{name}</th>
                <td class="pre">{value}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {bytes ? <PayloadView payload={bytes} name="body.bin" /> : <p class="quiet">No body.</p>}
    </section>
  );
}
