import { Code } from '../../../gen/google/rpc/code_pb.ts';
import type { Integration } from '../../../gen/penstock/v1/integration_pb.ts';
import { canonicalJson } from '../../contract/canonical-json.ts';
import { uuidOfName } from '../../contract/uuid.ts';
import type { Caller } from '../../rpc/caller.ts';
import { failed } from '../../rpc/error.ts';
import { unknownIntegration } from '../integrations/guards.ts';
import { isSelected } from '../integrations/integration-filter.ts';
import type { Queries } from '../store/database.ts';
import {
  findIntegration,
  findIntegrations,
  type IntegrationSelection,
  labelTexts,
  type StoredIntegration,
} from '../store/integrations.ts';
import type { ScopeSelection } from '../store/scoped.ts';

/** Who calls, as far as it matters for which integrations there are. */
export type Scoped = Pick<Caller, 'scope'>;

/** Whether the caller may know of the integration. */
export const isInScope = ({ scope }: Scoped, integration: Pick<Integration, 'name' | 'labels'>): boolean =>
  scope === undefined || isSelected(integration, scope);

/**
 * The integration with this id.
 * @throws RpcError NOT_FOUND, the same for one that is not there and for one that is not in the caller's scope
 */
export async function findInScope(queries: Queries, caller: Scoped, id: string): Promise<StoredIntegration> {
  const stored = await findIntegration(queries, id);
  if (stored && isInScope(caller, stored.integration)) return stored;
  throw unknownIntegration(id);
}

/**
 * Whether the caller may know of all of these, which are there then; of one without a scope nothing is asked. With `lock`,
 * they stay so until the transaction ends.
 */
export async function areInScope(
  queries: Queries,
  caller: Scoped,
  ids: readonly string[],
  lock = false,
): Promise<boolean> {
  if (caller.scope === undefined) return true;
  const stored = await findIntegrations(queries, ids, lock);
  return (
    stored.length === new Set(ids).size && stored.every(({ integration }) => isInScope(caller, integration))
  );
}

/** @throws RpcError PERMISSION_DENIED, with what it must be, when the caller could not see what it makes of an integration */
export function requireStaysInScope(caller: Caller, integration: Pick<Integration, 'name' | 'labels'>): void {
  if (isInScope(caller, integration)) return;
  const { namePrefix, labels } = caller.scope!;
  const name = namePrefix === '' ? [] : [`a name that begins with ${JSON.stringify(namePrefix)}`];
  const pairs = Object.entries(labels).map(([key, value]) => `the label ${key}=${value}`);
  const needed = [...name, ...pairs].join(' and ');
  const text = `the integration must have ${needed}: ${caller.name} is limited to such integrations`;
  throw failed(Code.PERMISSION_DENIED, 'OUT_OF_SCOPE', text);
}

/** The scope as lists are asked for it; undefined: all integrations. */
export function scopeOf({ scope }: Scoped): ScopeSelection | undefined {
  if (scope === undefined) return undefined;
  return { labels: labelTexts(scope.labels), namePrefix: scope.namePrefix };
}

/** Of a selection, which has no beginning of names of its own, what the caller may know of. */
export function withinScope(caller: Scoped, selection: IntegrationSelection): IntegrationSelection {
  const scope = scopeOf(caller);
  if (scope === undefined) return selection;
  return { ...selection, ...scope, labels: [...(selection.labels ?? []), ...scope.labels] };
}

/** A request id as it is kept: callers of different scopes do not meet in one, nor learn which others have used. */
export function requestKey({ scope }: Scoped, requestId: string): string {
  return scope === undefined
    ? requestId
    : uuidOfName(canonicalJson({ requestId: requestId.toLowerCase(), scope }));
}
