import { useState } from 'preact/hooks';
import type { User } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { usePages } from '../../api/use-pages.ts';
import { More } from '../../ui/more.tsx';
import { NamedDialog } from '../../ui/named-dialog.tsx';
import { accessRoleName } from '../../ui/names.ts';
import { Empty, FailureNotice, Loading } from '../../ui/notice.tsx';
import { RoleButton } from '../../ui/role-button.tsx';
import { TableHead } from '../../ui/table-head.tsx';
import { Ago, At } from '../../ui/time.tsx';
import { scopeText } from './scope.ts';
import { UserDialog } from './user-dialog.tsx';

type Asked = { readonly kind: 'new' } | { readonly kind: 'edit' | 'delete'; readonly user: User };

/** Who logs in with a name and a password. */
export function Users() {
  const pages = usePages(async (pageToken, signal) => {
    const answer = await api.users.listUsers({ pageSize: 100, pageToken }, { ...(signal && { signal }) });
    return { items: answer.users, token: answer.nextPageToken };
  }, 'users');
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  const done = () => {
    close();
    pages.reload();
  };
  return (
    <>
      <div class="actions">
        <RoleButton
          method="UserService/CreateUser"
          text="New user"
          onClick={() => setAsked({ kind: 'new' })}
        />
      </div>
      {pages.failure && <FailureNotice failure={pages.failure} />}
      {!pages.page && !pages.failure && <Loading what="the users" />}
      {pages.page?.items.length === 0 && (
        <Empty title="There is no user with a password">
          <p>Programs call with API tokens. People log in with a user, a token, or at a provider.</p>
        </Empty>
      )}
      {pages.items.length > 0 && (
        <table class="listing" aria-label="Users">
          <TableHead names={['Name', 'Role', 'Sees', 'State', 'Last login', 'Made', 'Change']} />
          <tbody>
            {pages.items.map((user) => (
              <UserRow key={user.name} user={user} onAsk={setAsked} onDone={pages.reload} />
            ))}
          </tbody>
        </table>
      )}
      <More pages={pages} />
      {(asked?.kind === 'new' || asked?.kind === 'edit') && (
        <UserDialog user={asked.kind === 'edit' ? asked.user : undefined} onDone={done} onClose={close} />
      )}
      {asked?.kind === 'delete' && <Deletion user={asked.user} onDone={done} onClose={close} />}
    </>
  );
}

interface UserRowProps {
  readonly user: User;
  readonly onAsk: (asked: Asked) => void;
  readonly onDone: () => void;
}

function UserRow({ user, onAsk, onDone }: UserRowProps) {
  const { name, displayName, disabled } = user;
  const turn = useAction(
    () => api.users.updateUser({ user: { name, disabled: !disabled }, updateMask: { paths: ['disabled'] } }),
    onDone,
  );
  return (
    <tr>
      <td>
        <b>{name}</b> {displayName !== '' && <span class="quiet">{displayName}</span>}
      </td>
      <td data-label="role">{accessRoleName(user.role)}</td>
      <td data-label="sees">{scopeText(user.scope)}</td>
      <td data-label="state" class={disabled ? 'bad' : ''}>
        {disabled ? 'disabled' : 'may log in'}
      </td>
      <td data-label="last login">{user.lastLoginTime ? <Ago time={user.lastLoginTime} /> : 'never'}</td>
      <td data-label="made">
        <At time={user.createTime} />
      </td>
      <td>
        <div class="actions">
          <RoleButton
            method="UserService/UpdateUser"
            text="Edit"
            onClick={() => onAsk({ kind: 'edit', user })}
          />
          <RoleButton
            method="UserService/UpdateUser"
            text={disabled ? 'Enable' : 'Disable'}
            isOff={turn.isRunning}
            onClick={() => turn.run()}
          />
          <RoleButton
            method="UserService/DeleteUser"
            text="Delete"
            onClick={() => onAsk({ kind: 'delete', user })}
          />
        </div>
        {turn.failure && <FailureNotice failure={turn.failure} />}
      </td>
    </tr>
  );
}

interface DeletionProps {
  readonly user: User;
  readonly onDone: () => void;
  readonly onClose: () => void;
}

function Deletion({ user: { name }, onDone, onClose }: DeletionProps) {
  const action = useAction(() => api.users.deleteUser({ name }), onDone);
  return (
    <NamedDialog
      title={`Delete the user ${name}`}
      name={name}
      verb="Delete for ever"
      keep="Keep it"
      action={action}
      onClose={onClose}
    >
      <p>Its sessions end. API tokens that it made stay: they are in the list below, by who made them.</p>
    </NamedDialog>
  );
}
