import { useMemo, useState } from 'preact/hooks';
import { SHOWN, shownAs, viewsOf } from './payload.ts';

/** A payload as JSON, text or bytes; of a long one the begin, until more is wanted. */
export function PayloadView({ payload, name }: { readonly payload: Uint8Array; readonly name: string }) {
  const views = useMemo(() => viewsOf(payload), [payload]);
  const [wanted, setView] = useState(views[0]!);
  const [limit, setLimit] = useState(SHOWN.first);
  const view = views.includes(wanted) ? wanted : views[0]!;
  const { text, isCut } = useMemo(() => shownAs(payload, view, limit), [payload, view, limit]);
  return (
    <section class="payload">
      <h3>
        Payload <span class="quiet">{payload.length.toLocaleString('en')} bytes</span>
      </h3>
      <ul class="summary" aria-label="Payload as">
        {views.map((one) => (
          <li key={one}>
            <button type="button" aria-pressed={view === one} onClick={() => setView(one)}>
              {one}
            </button>
          </li>
        ))}
        <li>
          <button type="button" onClick={() => save(payload, name)}>
            Save as a file
          </button>
        </li>
      </ul>
      {payload.length === 0 ? (
        <p class="quiet">It is empty.</p>
      ) : (
        <textarea
          class="payload-text"
          aria-label="Payload"
          readOnly
          wrap={view === 'hex' ? 'off' : 'soft'}
          rows={Math.min(24, Math.max(3, text.split('\n').length + 1))}
          value={text}
        />
      )}
      {isCut && (
        <p class="quiet">
          {limit < SHOWN.most ? (
            <>
              This is its begin.{' '}
              <button type="button" class="link" onClick={() => setLimit(SHOWN.most)}>
                Show more
              </button>
            </>
          ) : (
            'This is its begin: the whole of it is too long for a page; save it as a file.'
          )}
        </p>
      )}
    </section>
  );
}

function save(payload: Uint8Array, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([Uint8Array.from(payload)], { type: 'application/octet-stream' }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
