import type { ErrorReport, Integration } from '../../../../src/client/contract.ts';
import type { Health } from '../../live/health.ts';
import { grownBy, type Rates } from '../../live/rates.ts';
import { failureName } from '../../ui/names.ts';

/** Why an integration is not well, in a line; empty: it is well, or nobody told. @param error what went wrong last */
export function problemOf(
  { status }: Integration,
  health: Health,
  error: ErrorReport | undefined,
  rates: Rates | undefined,
): string {
  if (status?.reason) return status.reason;
  if (health === 'failing' && error) return `${failureName(error.failureClass)}: ${error.message}`;
  const grown = health === 'behind' ? grownBy(rates) : undefined;
  return grown === undefined ? '' : `${grown.toLocaleString('en')} more wait than a minute ago`;
}
