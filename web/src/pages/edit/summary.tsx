import type { Shown } from '../../forms/violations.ts';

interface SummaryProps {
  readonly shown: Shown;
  readonly form: HTMLFormElement | null;
}

/** All that is wrong, each leading to its control. */
export function Summary({ shown, form }: SummaryProps) {
  const go = (path: string) => {
    const at = form?.querySelector<HTMLElement>(`[data-path="${CSS.escape(path)}"]`);
    const control = at?.querySelector<HTMLElement>('input, select, textarea, button');
    (control ?? at)?.focus();
  };
  return (
    <div class="notice bad form-summary" tabIndex={-1} role="alert">
      <p>What has to be put right first:</p>
      <ul>
        {[...shown].flatMap(([path, texts]) =>
          texts.map((text) => (
            <li key={`${path} ${text}`}>
              {path === '' ? (
                text
              ) : (
                <button type="button" class="link" onClick={() => go(path)}>
                  <code>{path}</code>: {text}
                </button>
              )}
            </li>
          )),
        )}
      </ul>
    </div>
  );
}
