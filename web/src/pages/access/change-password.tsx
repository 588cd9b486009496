import { useState } from 'preact/hooks';
import { CallerKind, type Self } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { FailureNotice } from '../../ui/notice.tsx';
import { MIN_PASSWORD } from './user-change.ts';

/** Changes one's own password. */
export function ChangePassword({ who }: { readonly who: Self }) {
  const [isOpen, setOpen] = useState(false);
  const [isDone, setDone] = useState(false);
  const why = who.kind === CallerKind.USER ? undefined : 'You did not log in with a password';
  const done = () => {
    setOpen(false);
    setDone(true);
  };
  return (
    <div class="actions">
      <button type="button" disabled={why !== undefined} title={why} onClick={() => setOpen(true)}>
        Change password
      </button>
      {isDone && <span role="status">Changed: your other sessions have ended.</span>}
      {isOpen && <Fields name={who.name} onDone={done} onClose={() => setOpen(false)} />}
    </div>
  );
}

interface FieldsProps {
  readonly name: string;
  readonly onDone: () => void;
  readonly onClose: () => void;
}

/** What is typed is in this page's memory alone, until it is sent. */
function Fields({ name, onDone, onClose }: FieldsProps) {
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const { run, isRunning, failure } = useAction(
    () => api.auth.changePassword({ currentPassword: current, newPassword: next }),
    onDone,
  );
  const isShort = [...next].length < MIN_PASSWORD;
  return (
    <Dialog title="Change your password" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!isShort && current !== '') run();
        }}
      >
        <input
          class="unseen"
          type="text"
          autocomplete="username"
          value={name}
          readOnly
          tabIndex={-1}
          aria-hidden
        />
        <label>
          Password until now
          <input
            type="password"
            autocomplete="current-password"
            value={current}
            onInput={({ currentTarget }) => setCurrent(currentTarget.value)}
          />
        </label>
        <label>
          New password, of {MIN_PASSWORD} characters or more
          <input
            type="password"
            autocomplete="new-password"
            value={next}
            onInput={({ currentTarget }) => setNext(currentTarget.value)}
          />
        </label>
        {failure && <FailureNotice failure={failure} />}
        <div class="actions">
          <button type="submit" class="primary" disabled={isRunning || isShort || current === ''}>
            Change it
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}
