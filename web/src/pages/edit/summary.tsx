import type { Shown } from '../../forms/violations.ts';
import { goToField } from './go-to-field.ts';

interface SummaryProps {
  readonly shown: Shown;
  readonly form: HTMLFormElement | null;
}

/** All that is wrong, each leading to its control. */
export function Summary({ shown, form }: SummaryProps) {
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
                <button type="button" class="link" onClick={() => goToField(form, path)}>
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
