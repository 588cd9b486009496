import { useState } from 'preact/hooks';
import type { Integration } from '../../../../src/client/contract.ts';
import { type Merge, textAt, withMine } from '../../forms/changes.ts';

interface ConflictProps {
  readonly merge: Merge;
  readonly versions: { readonly base: Integration; readonly theirs: Integration; readonly mine: Integration };
  /** With theirs below, and what of mine is kept. */
  readonly onMerged: (merged: Integration) => void;
}

/** Two people changed the same integration: what only one changed is kept, and for the rest somebody chooses. */
export function Conflict({ merge: { mine, theirs, both }, versions, onMerged }: ConflictProps) {
  const [kept, setKept] = useState<ReadonlySet<string>>(new Set());
  const take = () => onMerged(withMine(versions.theirs, versions.mine, [...mine, ...kept]));
  return (
    <>
      {theirs.length > 0 && <p>They changed, and it stays: {theirs.join(', ')}.</p>}
      {mine.length > 0 && <p>You changed, and it stays: {mine.join(', ')}.</p>}
      {both.map((path) => (
        <fieldset key={path}>
          <legend>
            <code>{path}</code> (it was: {textAt(versions.base, path) || 'not set'})
          </legend>
          {(['theirs', 'mine'] as const).map((who) => (
            <label key={who} class="radio">
              <input
                type="radio"
                name={path}
                checked={kept.has(path) === (who === 'mine')}
                onChange={() =>
                  setKept(
                    (before) =>
                      new Set([...before].filter((one) => one !== path).concat(who === 'mine' ? [path] : [])),
                  )
                }
              />
              {who}: {textAt(versions[who], path) || 'not set'}
            </label>
          ))}
        </fieldset>
      ))}
      <div class="actions">
        <button type="button" class="primary" onClick={take}>
          Go on with that
        </button>
      </div>
    </>
  );
}
