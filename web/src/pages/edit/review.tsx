import { useState } from 'preact/hooks';
import { Code, type Integration, PenstockError } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { open } from '../../app/location.ts';
import { integrationPath } from '../../app/routes.ts';
import { mergeOf, textAt } from '../../forms/changes.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { FailureNotice } from '../../ui/notice.tsx';
import { Conflict } from './conflict.tsx';
import { consequencesOf } from './consequences.ts';

interface ReviewProps {
  readonly stored: Integration | undefined;
  readonly draft: Integration;
  readonly changed: readonly string[];
  /** Of a creation: the same for every try. */
  readonly requestId: string;
  readonly onClose: () => void;
  /** Somebody else saved meanwhile: what is stored now, and the draft upon it. */
  readonly onMerged: (theirs: Integration, merged: Integration) => void;
  readonly onSaved: () => void;
}

/** What a save changes, before it does. Only what was changed is sent, so that all else stays as it is. */
export function Review({ stored, draft, changed, requestId, onClose, onMerged, onSaved }: ReviewProps) {
  const [theirs, setTheirs] = useState<Integration>();
  const save = useAction(
    async () => {
      try {
        return await send(stored, draft, changed, requestId);
      } catch (error) {
        if (!stored || !(error instanceof PenstockError) || error.code !== Code.ABORTED) throw error;
        setTheirs((await api.integrations.getIntegration({ id: stored.id })).integration);
        return undefined;
      }
    },
    (id) => {
      if (id === undefined) return;
      onSaved();
      open(integrationPath(id));
    },
  );
  if (stored && theirs) {
    return (
      <Dialog title="Somebody saved it meanwhile" onClose={onClose}>
        <Conflict
          merge={mergeOf(stored, theirs, draft)}
          versions={{ base: stored, theirs, mine: draft }}
          onMerged={(merged) => {
            setTheirs(undefined);
            onMerged(theirs, merged);
          }}
        />
      </Dialog>
    );
  }
  const consequences = stored ? consequencesOf(stored, draft, changed) : [];
  return (
    <Dialog title={stored ? 'What changes' : 'What is made'} onClose={onClose}>
      <table class="pairs">
        <tbody>
          {changed.map((path) => (
            <tr key={path}>
              <th scope="row">
                <code>{path}</code>
              </th>
              <td class="pre">
                {stored && <del>{textAt(stored, path) || 'not set'}</del>} {textAt(draft, path) || 'not set'}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {changed.length === 0 && <p>Nothing is changed.</p>}
      {consequences.length > 0 && (
        <ul class="notice wait" aria-label="What comes of it">
          {consequences.map((one) => (
            <li key={one}>{one}</li>
          ))}
        </ul>
      )}
      {save.failure && <FailureNotice failure={save.failure} />}
      <div class="actions">
        <button
          type="button"
          class="primary"
          disabled={save.isRunning || changed.length === 0}
          onClick={() => save.run()}
        >
          {save.isRunning ? 'Saving…' : stored ? 'Save' : 'Create'}
        </button>
        <button type="button" onClick={onClose}>
          Back to the form
        </button>
      </div>
    </Dialog>
  );
}

/** Answers the id. */
async function send(
  stored: Integration | undefined,
  draft: Integration,
  changed: readonly string[],
  requestId: string,
): Promise<string | undefined> {
  if (!stored) {
    const { integration } = await api.integrations.createIntegration({ integration: draft, requestId });
    return integration?.id;
  }
  const integration = { ...draft, id: stored.id, etag: stored.etag, setSecrets: [] };
  const updateMask = { paths: [...changed] };
  const answer = await api.integrations.updateIntegration({ integration, updateMask });
  return answer.integration?.id;
}
