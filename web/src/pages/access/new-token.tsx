import { useState } from 'preact/hooks';
import { Role, timestampFromDate } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { refusal } from '../../app/self.ts';
import { accessRoleName } from '../../ui/names.ts';
import { FailureNotice } from '../../ui/notice.tsx';

const DAY = 86_400_000;
const ENDS = [
  ['in 30 days', 30],
  ['in 90 days', 90],
  ['in a year', 365],
  ['never', 0],
] as const;
const ROLES = [Role.VIEWER, Role.OPERATOR, Role.EDITOR, Role.ADMIN];

/** Makes an API token, and shows it once. */
export function NewToken({ onMade }: { readonly onMade: () => void }) {
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>(Role.VIEWER);
  const [days, setDays] = useState(90);
  const [value, setValue] = useState('');
  const { run, isRunning, failure } = useAction(async () => {
    const expireTime = days === 0 ? undefined : timestampFromDate(new Date(Date.now() + days * DAY));
    const made = await api.tokens.createToken({ token: { name, role, ...(expireTime && { expireTime }) } });
    setValue(made.value);
    setName('');
    onMade();
  });
  const why = refusal('TokenService/CreateToken');
  return (
    <form
      class="filters"
      onSubmit={(event) => {
        event.preventDefault();
        run();
      }}
    >
      <label>
        Name
        <input value={name} onInput={({ currentTarget }) => setName(currentTarget.value)} />
      </label>
      <label>
        Role
        <select value={role} onChange={({ currentTarget }) => setRole(Number(currentTarget.value) as Role)}>
          {ROLES.map((one) => (
            <option key={one} value={one}>
              {accessRoleName(one)}
            </option>
          ))}
        </select>
      </label>
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
      <button
        type="submit"
        class="primary"
        disabled={isRunning || name === '' || why !== undefined}
        title={why}
      >
        Make a token
      </button>
      {failure && <FailureNotice failure={failure} />}
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
    </form>
  );
}
