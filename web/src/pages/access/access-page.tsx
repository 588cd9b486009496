import { useState } from 'preact/hooks';
import { Role, type Token } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { useQuery } from '../../api/use-query.ts';
import { isOpenToAll, refusal, self } from '../../app/self.ts';
import { accessRoleName } from '../../ui/names.ts';
import { Empty, FailureNotice, Loading } from '../../ui/notice.tsx';
import { TableHead } from '../../ui/table-head.tsx';
import { Ago, At } from '../../ui/time.tsx';
import { NewToken } from './new-token.tsx';

/** Who one is, what one may do, and the API tokens that there are. */
export function AccessPage() {
  const known = self.value;
  const why = refusal('TokenService/ListTokens');
  return (
    <>
      <header class="page-head">
        <h1>Access</h1>
        {known && (
          <p>
            You are {isOpenToAll() ? 'anybody' : <b>{known.name}</b>}, and may do what the role{' '}
            <b>{accessRoleName(known.role)}</b> may.
            {known.scope && ' You see the integrations of a scope.'}
          </p>
        )}
      </header>
      <section>
        <h2>API tokens</h2>
        {why === undefined ? <Tokens /> : <p class="quiet">{why}</p>}
      </section>
    </>
  );
}

function Tokens() {
  const { value, failure, reload } = useQuery(
    (signal) => api.tokens.listTokens({ pageSize: 1000 }, { signal }),
    [],
  );
  if (failure) return <FailureNotice failure={failure} />;
  if (!value) return <Loading what="the tokens" />;
  return (
    <>
      <NewToken onMade={reload} />
      {value.tokens.length === 0 ? (
        <Empty title="There is no API token" />
      ) : (
        <table>
          <TableHead names={['Name', 'Role', 'Ends', 'Last used', 'Made by', 'Note', 'Revoke']} />
          <tbody>
            {value.tokens.map((token) => (
              <TokenRow key={token.id} token={token} onRevoked={reload} />
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

function TokenRow({ token, onRevoked }: { readonly token: Token; readonly onRevoked: () => void }) {
  const [isSure, setSure] = useState(false);
  const revoke = useAction(() => api.tokens.revokeToken({ id: token.id }), onRevoked);
  const why = refusal('TokenService/RevokeToken');
  return (
    <tr>
      <th scope="row">{token.name}</th>
      <td>{accessRoleName(token.role ?? Role.UNSPECIFIED)}</td>
      <td>{token.expireTime ? <At time={token.expireTime} /> : 'never'}</td>
      <td>
        <Ago time={token.lastUsedTime} />
      </td>
      <td>{token.createdBy}</td>
      <td class="pre">{token.note}</td>
      <td>
        <button
          type="button"
          class={isSure ? 'danger' : ''}
          disabled={revoke.isRunning || why !== undefined}
          title={revoke.failure?.text ?? why}
          onClick={() => (isSure ? revoke.run() : setSure(true))}
          onBlur={() => setSure(false)}
        >
          {isSure ? 'Revoke for ever' : 'Revoke'}
        </button>
      </td>
    </tr>
  );
}
