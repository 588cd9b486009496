import { useState } from 'preact/hooks';
import { Role, timestampFromDate } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { FailureNotice } from '../../ui/notice.tsx';
import { RoleButton } from '../../ui/role-button.tsx';
import { readScope, typedScope } from './scope.ts';
import { ScopeFields } from './scope-fields.tsx';

const DAY = 86_400_000;
const ENDS = [
  ['in 30 days', 30],
  ['in 90 days', 90],
  ['in a year', 365],
  ['never', 0],
] as const;

/** Makes an API token, and shows it once. */
export function NewToken({ onMade }: { readonly onMade: () => void }) {
  const [isOpen, setOpen] = useState(false);
  const [value, setValue] = useState('');
  const made = (token: string) => {
    setValue(token);
    setOpen(false);
    onMade();
  };
  return (
    <>
      <div class="actions">
        <RoleButton method="TokenService/CreateToken" text="New token" onClick={() => setOpen(true)} />
      </div>
      {isOpen && <Fields onMade={made} onClose={() => setOpen(false)} />}
      {value !== '' && (
        <p class="notice" role="status">
          Copy it now, it is not shown again: <code class="secret">{value}</code>{' '}
          <button type="button" onClick={() => void navigator.clipboard?.writeText(value)}>
            Copy
          </button>{' '}
          <button type="button" class="link" onClick={() => setValue('')}>
            I have it
          </button>
        </p>
      )}
    </>
  );
}

interface FieldsProps {
  readonly onMade: (value: string) => void;
  readonly onClose: () => void;
}

function Fields({ onMade, onClose }: FieldsProps) {
  const [name, setName] = useState('');
  const [note, setNote] = useState('');
  const [role, setRole] = useState<Role>(Role.VIEWER);
  const [typed, setTyped] = useState(typedScope(undefined));
  const [days, setDays] = useState(90);
  const read = readScope(typed);
  const problem = 'problem' in read ? read.problem : undefined;
  const make = async () => {
    const expireTime = days === 0 ? undefined : timestampFromDate(new Date(Date.now() + days * DAY));
    const scope = role === Role.ADMIN || 'problem' in read ? undefined : read.scope;
    const token = { name, note, role, ...(scope && { scope }), ...(expireTime && { expireTime }) };
    return (await api.tokens.createToken({ token })).value;
  };
  const { run, isRunning, failure } = useAction(make, onMade);
  return (
    <Dialog title="New API token" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          run();
        }}
      >
        <label>
          Name
          <input
            value={name}
            autocomplete="off"
            onInput={({ currentTarget }) => setName(currentTarget.value)}
          />
        </label>
        <label>
          What it is for
          <input
            value={note}
            autocomplete="off"
            onInput={({ currentTarget }) => setNote(currentTarget.value)}
          />
        </label>
        <ScopeFields role={role} onRole={setRole} scope={typed} onScope={setTyped} />
        <label>
          Ends
          <select value={days} onChange={({ currentTarget }) => setDays(Number(currentTarget.value))}>
            {ENDS.map(([text, count]) => (
              <option key={count} value={count}>
                {text}
              </option>
            ))}
          </select>
        </label>
        {failure && <FailureNotice failure={failure} />}
        {problem !== undefined && <p class="quiet">{problem}</p>}
        <div class="actions">
          <button
            type="submit"
            class="primary"
            disabled={isRunning || name === '' || problem !== undefined}
            title={problem}
          >
            Make the token
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}
