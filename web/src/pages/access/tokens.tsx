import { useState } from 'preact/hooks';
import { Role, type Token } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { usePages } from '../../api/use-pages.ts';
import { refusal } from '../../app/self.ts';
import { serverNow } from '../../live/live.ts';
import { More } from '../../ui/more.tsx';
import { accessRoleName } from '../../ui/names.ts';
import { Empty, FailureNotice, Loading } from '../../ui/notice.tsx';
import { TableHead } from '../../ui/table-head.tsx';
import { Ago, At } from '../../ui/time.tsx';
import { msOf } from '../../ui/times.ts';
import { NewToken } from './new-token.tsx';
import { scopeText } from './scope.ts';

/** What programs call with. */
export function Tokens() {
  const pages = usePages(async (pageToken, signal) => {
    const answer = await api.tokens.listTokens({ pageSize: 100, pageToken }, { ...(signal && { signal }) });
    return { items: answer.tokens, token: answer.nextPageToken };
  }, 'tokens');
  return (
    <>
      <NewToken onMade={pages.reload} />
      {pages.failure && <FailureNotice failure={pages.failure} />}
      {!pages.page && !pages.failure && <Loading what="the tokens" />}
      {pages.page?.items.length === 0 && <Empty title="There is no API token" />}
      {pages.items.length > 0 && (
        <table class="listing" aria-label="API tokens">
          <TableHead names={['Name', 'Role', 'Sees', 'Ends', 'Last used', 'Made by', 'Note', 'Revoke']} />
          <tbody>
            {pages.items.map((token) => (
              <TokenRow key={token.id} token={token} onRevoked={pages.reload} />
            ))}
          </tbody>
        </table>
      )}
      <More pages={pages} />
    </>
  );
}

function TokenRow({ token, onRevoked }: { readonly token: Token; readonly onRevoked: () => void }) {
  const hasEnded = token.expireTime !== undefined && msOf(token.expireTime) <= serverNow.value;
  return (
    <tr class={hasEnded ? 'gone' : ''}>
      <td title={token.id}>
        <b>{token.name}</b>
      </td>
      <td data-label="role">{accessRoleName(token.role ?? Role.UNSPECIFIED)}</td>
      <td data-label="sees">{scopeText(token.scope)}</td>
      <td data-label="ends">
        {hasEnded && <b>ended </b>}
        {token.expireTime ? <At time={token.expireTime} /> : 'never'}
      </td>
      <td data-label="last used">{token.lastUsedTime ? <Ago time={token.lastUsedTime} /> : 'never'}</td>
      <td data-label="made by">
        {token.createdBy} <At time={token.createTime} />
      </td>
      <td class="pre">{token.note}</td>
      <td>{hasEnded ? '' : <Revocation token={token} onRevoked={onRevoked} />}</td>
    </tr>
  );
}

/** The same button again makes it sure. */
function Revocation({ token, onRevoked }: { readonly token: Token; readonly onRevoked: () => void }) {
  const [isSure, setSure] = useState(false);
  const revoke = useAction(() => api.tokens.revokeToken({ id: token.id }), onRevoked);
  const why = refusal('TokenService/RevokeToken');
  return (
    <>
      <button
        type="button"
        class={isSure ? 'danger' : ''}
        disabled={revoke.isRunning || why !== undefined}
        title={why}
        onClick={() => (isSure ? revoke.run() : setSure(true))}
        onBlur={() => setSure(false)}
      >
        {isSure ? 'Revoke for ever' : 'Revoke'}
      </button>
      {revoke.failure && <FailureNotice failure={revoke.failure} />}
    </>
  );
}
