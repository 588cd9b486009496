import { Fragment } from 'preact';

/** A comment of the schema: what stands between backticks is code. */
export function Comment({ text }: { readonly text: string }) {
  return (
    <>
      {text.split('`').map((part, i) => (
        <Fragment key={`${i} ${part}`}>{i % 2 === 1 ? <code>{part}</code> : part}</Fragment>
      ))}
    </>
  );
}
