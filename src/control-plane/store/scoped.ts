import { type IntegrationSelection, startsWith } from './integrations.ts';

/** The integrations that a caller is limited to. */
export type ScopeSelection = Required<Pick<IntegrationSelection, 'labels' | 'namePrefix'>>;

/**
 * The condition, in SQL, that the integration with the id in this column is there and in the scope; without a scope, nothing
 * is asked. It looks at one row by its id.
 * @param given takes a value and answers its placeholder
 */
export function inScope(
  idColumn: string,
  scope: ScopeSelection | undefined,
  given: (value: unknown) => string,
): string {
  if (scope === undefined) return 'true';
  const conditions = [`scoped.integration_id = ${idColumn}`];
  if (scope.labels.length > 0) conditions.push(`scoped.labels @> ${given(scope.labels)}::text[]`);
  if (scope.namePrefix !== '') conditions.push(`scoped.name like ${given(startsWith(scope.namePrefix))}`);
  return `exists (select from listed_integrations as scoped where ${conditions.join(' and ')})`;
}
