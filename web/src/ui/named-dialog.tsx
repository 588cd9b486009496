import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Action } from '../api/use-action.ts';
import { Dialog } from './dialog.tsx';
import { FailureNotice } from './notice.tsx';

interface NamedDialogProps {
  readonly title: string;
  /** What must be typed. */
  readonly name: string;
  /** How that is asked for; unset: `Its name, to be sure`. */
  readonly label?: string;
  /** What is done then. */
  readonly verb: string;
  readonly keep: string;
  readonly action: Action<[]>;
  readonly onClose: () => void;
  /** What goes. */
  readonly children: ComponentChildren;
}

/** What cannot be undone asks for a name. */
export function NamedDialog(props: NamedDialogProps) {
  const { title, name, label = 'Its name, to be sure', verb, keep, action, onClose, children } = props;
  const [typed, setTyped] = useState('');
  const { run, isRunning, failure } = action;
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (typed === name) run();
        }}
      >
        <label>
          {label}
          <input value={typed} onInput={({ currentTarget }) => setTyped(currentTarget.value)} />
        </label>
        {failure && <FailureNotice failure={failure} />}
        <div class="actions">
          <button type="submit" class="danger" disabled={typed !== name || isRunning}>
            {verb}
          </button>
          <button type="button" onClick={onClose}>
            {keep}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
