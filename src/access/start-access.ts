import type { Bus } from '../bus/bus.ts';
import type { Topics } from '../bus/topics.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { NameResolver } from '../runtime/name-resolver.ts';
import type { Warnings } from '../runtime/warnings.ts';
import type { AccessConfig, Ways } from './access.ts';
import { Certificates } from './certificates.ts';
import { followGrants, type Grants } from './grants.ts';
import { type Oidc, startOidc } from './oidc.ts';

interface Deps {
  readonly bus: Bus;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly warnings: Warnings;
  readonly resolver: NameResolver;
}

/** Who is let in, as this node knows it. */
export interface Access extends Disposable {
  /** The API tokens. Unset: no login is needed. */
  readonly grants: Grants | undefined;
  /** The OpenID Connect provider. Unset: there is none. */
  readonly oidc: Oidc | undefined;
  /** All of them, but for sessions of browsers. */
  readonly ways: Ways;
}

/** Resolves once the API tokens are known; waits for no provider. */
export async function startAccess(config: AccessConfig, deps: Deps, signal: AbortSignal): Promise<Access> {
  using stack = new DisposableStack();
  const grants = config.isLoginRequired ? stack.use(await followGrants(deps, signal)).grants : undefined;
  const oidc = config.oidc && stack.use(startOidc(config.oidc, deps));
  const certificates = config.certificateRoles && new Certificates(config.certificateRoles, deps.clock);
  const { bootstrapHash } = config;
  const ways = { bootstrapHash, grants, oidcTokens: oidc?.tokens, certificates };
  const owned = stack.move();
  return { grants, oidc, ways, [Symbol.dispose]: () => owned.dispose() };
}
