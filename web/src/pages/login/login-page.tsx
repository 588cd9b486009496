import { useState } from 'preact/hooks';
import { BASE } from '../../api/base.ts';
import { api } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { useQuery } from '../../api/use-query.ts';
import { open, query } from '../../app/location.ts';
import { localTarget } from '../../app/routes.ts';
import { self } from '../../app/self.ts';
import { changeCaller } from '../../live/live.ts';
import { FailureNotice } from '../../ui/notice.tsx';

/** Lets a person in: by name and password, by an API token, or by the provider that is set up. */
export function LoginPage() {
  const next = localTarget(query.value.get('next'));
  const methods = useQuery((signal) => api.auth.getLoginMethods({}, { signal }), []);
  const [isByToken, setByToken] = useState(false);
  const [name, setName] = useState('');
  const [secret, setSecret] = useState('');
  const login = useAction(
    async () => {
      const password = { case: 'password', value: { name, password: secret } } as const;
      const token = { case: 'token', value: { value: secret } } as const;
      const made = await api.auth.createSession({ credentials: isByToken ? token : password });
      self.value = made.self;
    },
    () => {
      setSecret('');
      changeCaller();
      open(next, { replace: true });
    },
  );
  const { oidc = false, oidcName = '' } = methods.value ?? {};
  return (
    <main class="login">
      <h1>Penstock</h1>
      {methods.failure && <FailureNotice failure={methods.failure} />}
      {oidc && (
        <a class="button" data-reload href={`${BASE}/login/oidc?next=${encodeURIComponent(next)}`}>
          Log in with {oidcName === '' ? 'the provider' : oidcName}
        </a>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          login.run();
        }}
      >
        {!isByToken && (
          <label>
            Name
            <input
              name="username"
              autocomplete="username"
              value={name}
              onInput={({ currentTarget }) => setName(currentTarget.value)}
            />
          </label>
        )}
        <label>
          {isByToken ? 'API token' : 'Password'}
          <input
            type="password"
            name="password"
            autocomplete={isByToken ? 'off' : 'current-password'}
            value={secret}
            onInput={({ currentTarget }) => setSecret(currentTarget.value)}
          />
        </label>
        {login.failure && <FailureNotice failure={login.failure} />}
        <button type="submit" class="primary" disabled={login.isRunning || secret === ''}>
          {login.isRunning ? 'Logging in…' : 'Log in'}
        </button>
        <button type="button" class="link" onClick={() => setByToken(!isByToken)}>
          {isByToken ? 'with name and password' : 'with an API token'}
        </button>
      </form>
    </main>
  );
}
