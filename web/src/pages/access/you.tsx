import { METHODS_OF_ROLES } from '../../../../gen/penstock/v1/roles.ts';
import { CallerKind, type Role, type Self } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useQuery } from '../../api/use-query.ts';
import { refusalOf } from '../../app/refusal.ts';
import { isOpenToAll } from '../../app/self.ts';
import { Fact } from '../../ui/fact.tsx';
import { accessRoleName } from '../../ui/names.ts';
import { FailureNotice } from '../../ui/notice.tsx';
import { TableHead } from '../../ui/table-head.tsx';
import { ChangePassword } from './change-password.tsx';
import { scopeText } from './scope.ts';

/** How somebody showed who it is. */
const KINDS: Readonly<Record<CallerKind, string>> = {
  [CallerKind.UNSPECIFIED]: 'in a way that this page does not know',
  [CallerKind.ANYBODY]: 'by nothing: no login is configured',
  [CallerKind.TOKEN]: 'with an API token',
  [CallerKind.USER]: 'with a name and a password',
  [CallerKind.OIDC]: 'at the OpenID Connect provider',
  [CallerKind.CERTIFICATE]: 'with a client certificate',
  [CallerKind.COMMAND]: 'by a command on a node',
};

/** Who one is, how one was let in, and what one may do. */
export function You({ who }: { readonly who: Self }) {
  return (
    <section>
      <h2>You</h2>
      <table class="pairs">
        <tbody>
          <Fact name="Name">{isOpenToAll() ? 'anybody who reaches this address' : <b>{who.name}</b>}</Fact>
          <Fact name="Let in">{KINDS[who.kind] ?? KINDS[CallerKind.UNSPECIFIED]}</Fact>
          <Fact name="Role">
            <b>{accessRoleName(who.role)}</b>
          </Fact>
          <Fact name="Sees">{scopeText(who.scope)}</Fact>
          <LogIns />
        </tbody>
      </table>
      <ChangePassword who={who} />
      <details>
        <summary>What you may do</summary>
        <table aria-label="What you may do">
          <TableHead names={['Role', 'You may', 'You may not']} />
          <tbody>
            {METHODS_OF_ROLES.map(([role, methods]) => (
              <Methods key={role} who={who} role={role as Role} methods={methods.split(' ')} />
            ))}
          </tbody>
        </table>
      </details>
    </section>
  );
}

/** How people are let in here. */
function LogIns() {
  const { value, failure } = useQuery((signal) => api.auth.getLoginMethods({}, { signal }), []);
  if (failure) return <Fact name="Logins here">{<FailureNotice failure={failure} />}</Fact>;
  if (!value) return <Fact name="Logins here">…</Fact>;
  const provider = value.oidcName === '' ? 'an OpenID Connect provider' : value.oidcName;
  const ways = ['API token', 'name and password', ...(value.oidc ? [provider] : [])].join(', ');
  return (
    <Fact name="Logins here">
      {value.loginRequired ? ways : 'none is asked for'}
      {value.loginRequired && !value.oidc && (
        <span class="quiet"> (no OpenID Connect provider is set up)</span>
      )}
    </Fact>
  );
}

interface MethodsProps {
  readonly who: Self;
  readonly role: Role;
  readonly methods: readonly string[];
}

/** What a role adds, apart by whether one may. */
function Methods({ who, role, methods }: MethodsProps) {
  const [may, mayNot] = [true, false].map((isAllowed) =>
    methods.filter((method) => (refusalOf(who, method) === undefined) === isAllowed),
  ) as [string[], string[]];
  const names = (all: readonly string[]) =>
    all.length === 0 ? (
      <span class="quiet">–</span>
    ) : (
      [...new Set(all.map((one) => one.split('/')[1]))].join(', ')
    );
  return (
    <tr>
      <th scope="row">{accessRoleName(role)}</th>
      <td>{names(may)}</td>
      <td class="quiet">{names(mayNot)}</td>
    </tr>
  );
}
