import { type Integration, IntegrationState } from '../../../src/client/contract.ts';
import { isBehind, isFailing, type Rates } from './rates.ts';

/** How integrations are, what needs somebody first: their states, of which `active` is refined by their figures. */
export const HEALTHS = ['failed', 'pending', 'failing', 'behind', 'active', 'unknown', 'disabled'] as const;
export type Health = (typeof HEALTHS)[number];

const OF_STATES: Readonly<Record<IntegrationState, Health>> = {
  [IntegrationState.UNSPECIFIED]: 'unknown',
  [IntegrationState.DISABLED]: 'disabled',
  [IntegrationState.PENDING]: 'pending',
  [IntegrationState.ACTIVE]: 'active',
  [IntegrationState.FAILED]: 'failed',
};

/**
 * How an integration is. An executor may run it, and it is `failing`: attempts fail; or `behind`: it delivers less than comes.
 * @param rates what is known of its figures
 */
export function healthOf({ status }: Integration, rates: Rates | undefined): Health {
  const health = OF_STATES[status?.state ?? IntegrationState.UNSPECIFIED] ?? 'unknown';
  if (health !== 'active') return health;
  if (isFailing(rates)) return 'failing';
  return isBehind(rates) ? 'behind' : 'active';
}

/** Those that are failing or behind are active, too. */
export const isActive = (health: Health): boolean =>
  health === 'active' || health === 'failing' || health === 'behind';
