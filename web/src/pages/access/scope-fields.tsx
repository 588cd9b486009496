import { Role } from '../../../../src/client/contract.ts';
import { accessRoleName } from '../../ui/names.ts';
import type { TypedScope } from './scope.ts';

const ROLES = [Role.VIEWER, Role.OPERATOR, Role.EDITOR, Role.ADMIN];

interface ScopeFieldsProps {
  readonly role: Role;
  readonly onRole: (role: Role) => void;
  readonly scope: TypedScope;
  readonly onScope: (scope: TypedScope) => void;
}

/** What somebody may do, and on which integrations. */
export function ScopeFields({ role, onRole, scope, onScope }: ScopeFieldsProps) {
  const why = role === Role.ADMIN ? 'An admin has no scope: it could make users without one' : undefined;
  return (
    <>
      <label>
        Role
        <select value={role} onChange={({ currentTarget }) => onRole(Number(currentTarget.value) as Role)}>
          {ROLES.map((one) => (
            <option key={one} value={one}>
              {accessRoleName(one)}
            </option>
          ))}
        </select>
      </label>
      <label>
        Only integrations whose name begins with
        <input
          value={why ? '' : scope.prefix}
          disabled={why !== undefined}
          title={why}
          placeholder="any"
          onInput={({ currentTarget }) => onScope({ ...scope, prefix: currentTarget.value })}
        />
      </label>
      <label>
        and that have the labels
        <input
          value={why ? '' : scope.labels}
          disabled={why !== undefined}
          title={why}
          placeholder="team=energy, site=north"
          onInput={({ currentTarget }) => onScope({ ...scope, labels: currentTarget.value })}
        />
      </label>
      {why && <p class="quiet">{why}.</p>}
    </>
  );
}
