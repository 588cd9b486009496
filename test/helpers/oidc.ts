import type { TestContext } from 'node:test';
import { Role } from '../../gen/penstock/v1/access_pb.ts';
import { startOidc } from '../../src/access/oidc.ts';
import type { OidcConfig } from '../../src/access/oidc-config.ts';
import { type Clock, systemClock } from '../../src/runtime/clock.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { CLIENT_ID, CLIENT_SECRET } from './oidc-provider.ts';
import { testDeps } from './test-deps.ts';

/** What Penstock is told of a provider of a test. */
export const oidcConfigFor = (issuer: string): OidcConfig => ({
  issuer,
  audience: CLIENT_ID,
  tls: undefined,
  client: {
    id: CLIENT_ID,
    secret: () => CLIENT_SECRET,
    scopes: ['openid', 'profile'],
    redirectUrl: undefined,
    name: 'the test',
  },
  nameClaims: ['preferred_username', 'email', 'sub'],
  rolesClaim: 'groups',
  roles: new Map([
    ['admins', Role.ADMIN],
    ['readers', Role.VIEWER],
  ]),
});

/** A clock that can be set forward, on the system's. */
export function settableClock() {
  let ahead = 0;
  const clock: Clock = {
    ...systemClock,
    now: () => systemClock.now() + ahead,
    monotonic: () => systemClock.monotonic() + ahead,
  };
  const leap = (ms: number) => {
    ahead += ms;
  };
  return { clock, leap };
}

/** A node's view of a provider, with what it logs. */
export function oidcForTests(t: TestContext, issuer: string, config: Partial<OidcConfig> = {}) {
  const { clock, leap } = settableClock();
  const logged: string[] = [];
  const logger = createLogger('debug', clock, (line) => logged.push(line));
  const deps = { ...testDeps(), clock, logger };
  const oidc = startOidc({ ...oidcConfigFor(issuer), ...config }, deps);
  t.after(() => oidc[Symbol.dispose]());
  return { ...deps, oidc, leap, logged };
}
