import type { ComponentChildren } from 'preact';
import { refusal, self } from '../../app/self.ts';
import { Loading } from '../../ui/notice.tsx';
import { RoleLink } from '../../ui/role-button.tsx';
import { Tokens } from './tokens.tsx';
import { Users } from './users.tsx';
import { You } from './you.tsx';

/** Who one is, what one may do, and who else is let in. */
export function AccessPage() {
  const who = self.value;
  return (
    <>
      <header class="page-head">
        <h1>Access</h1>
        <div class="actions">
          <RoleLink method="AuditService/ListAuditRecords" href="/audit" text="Audit records" />
        </div>
      </header>
      {who ? <You who={who} /> : <Loading what="who you are" />}
      <section>
        <h2>Users</h2>
        <ForThose method="UserService/ListUsers">
          <Users />
        </ForThose>
      </section>
      <section>
        <h2>API tokens</h2>
        <ForThose method="TokenService/ListTokens">
          <Tokens />
        </ForThose>
      </section>
    </>
  );
}

interface ForThoseProps {
  readonly method: string;
  readonly children: ComponentChildren;
}

/** What is shown to those who may read it; others are told why not. */
function ForThose({ method, children }: ForThoseProps) {
  const why = refusal(method);
  return why === undefined ? children : <p class="quiet">{why}.</p>;
}
