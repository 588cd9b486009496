import { useState } from 'preact/hooks';
import type { User } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { FailureNotice } from '../../ui/notice.tsx';
import { ScopeFields } from './scope-fields.tsx';
import { changeOf, problemOf, type TypedUser, typedUser, userOf } from './user-change.ts';

interface UserDialogProps {
  /** Undefined: a new one is made. */
  readonly user: User | undefined;
  readonly onDone: () => void;
  readonly onClose: () => void;
}

/** Makes a user, or changes one. What is typed as a password is in this page's memory alone, until it is sent. */
export function UserDialog({ user, onDone, onClose }: UserDialogProps) {
  const [typed, setTyped] = useState(() => typedUser(user));
  const { run, isRunning, failure } = useAction(async () => {
    const change = user && changeOf(typed, user);
    if (!user) await api.users.createUser({ user: userOf(typed) });
    else if (change) await api.users.updateUser(change);
  }, onDone);
  const problem = problemOf(typed, user);
  const set = (part: Partial<TypedUser>) => setTyped({ ...typed, ...part });
  return (
    <Dialog title={user ? `User ${user.name}` : 'New user'} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (problem === undefined) run();
        }}
      >
        {!user && (
          <label>
            Name to log in with
            <input
              value={typed.name}
              autocomplete="off"
              placeholder="ada@example.com"
              onInput={({ currentTarget }) => set({ name: currentTarget.value })}
            />
          </label>
        )}
        <label>
          Name for people
          <input
            value={typed.displayName}
            autocomplete="off"
            onInput={({ currentTarget }) => set({ displayName: currentTarget.value })}
          />
        </label>
        <ScopeFields
          role={typed.role}
          onRole={(role) => set({ role })}
          scope={typed.scope}
          onScope={(scope) => set({ scope })}
        />
        <label>
          {user ? 'Another password, which ends the sessions of the user' : 'Password'}
          <input
            type="password"
            autocomplete="new-password"
            value={typed.password}
            placeholder={user ? 'kept' : ''}
            onInput={({ currentTarget }) => set({ password: currentTarget.value })}
          />
        </label>
        {failure && <FailureNotice failure={failure} />}
        {problem !== undefined && <p class="quiet">{problem}</p>}
        <div class="actions">
          <button type="submit" class="primary" disabled={isRunning || problem !== undefined} title={problem}>
            {user ? 'Save' : 'Make the user'}
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}
