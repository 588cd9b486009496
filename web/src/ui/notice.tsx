import type { ComponentChildren } from 'preact';
import type { Failure } from '../api/failures.ts';

/** What failed, and what to do. */
export function FailureNotice({ failure }: { readonly failure: Failure }) {
  return (
    <div class="notice bad" role="alert">
      <p>{failure.text}</p>
      {failure.details.length > 0 && (
        <ul>
          {failure.details.map((detail) => (
            <li key={detail}>{detail}</li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** Nothing to show: why, and what can be done about it. */
export function Empty({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** What comes in a moment. */
export function Loading({ what }: { readonly what: string }) {
  return (
    <p class="loading" role="status">
      Loading {what}…
    </p>
  );
}
