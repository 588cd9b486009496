import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { NameResolver } from '../runtime/name-resolver.ts';
import type { Warnings } from '../runtime/warnings.ts';
import type { OidcConfig } from './oidc-config.ts';
import { type Ask, askOver } from './oidc-http.ts';
import { OidcProvider } from './oidc-provider.ts';
import { OidcTokens } from './oidc-tokens.ts';

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly warnings: Warnings;
  readonly resolver: Pick<NameResolver, 'lookUp'>;
}

/** An OpenID Connect provider, as this node knows it. */
export interface Oidc extends Disposable {
  readonly config: OidcConfig;
  readonly provider: OidcProvider;
  readonly tokens: OidcTokens;
  readonly ask: Ask;
}

/** Reads at once what the provider says of itself, and waits for nothing: nodes start without it. */
export function startOidc(config: OidcConfig, deps: Deps): Oidc {
  const ask = askOver({ lookUp: deps.resolver.lookUp, tls: config.tls });
  const provider = new OidcProvider(config.issuer, { ...deps, ask });
  provider.current().catch(() => {}); // it is logged, and tried again when somebody comes
  const tokens = new OidcTokens(provider, config, deps);
  return { config, provider, tokens, ask, [Symbol.dispose]: () => provider[Symbol.dispose]() };
}
