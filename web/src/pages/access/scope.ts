import type { Scope } from '../../../../src/client/contract.ts';

/** The integrations of a scope, for people: `north-*, team=energy`. */
export function scopeText(scope: Scope | undefined): string {
  if (!scope) return 'all integrations';
  const labels = labelsText(scope);
  const prefix = scope.namePrefix === '' ? [] : [`${scope.namePrefix}*`];
  return [...prefix, ...(labels === '' ? [] : [labels])].join(', ');
}

/** Labels as they are typed: `team=energy, site=north`. */
const labelsText = (scope: Scope | undefined): string =>
  Object.entries(scope?.labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(', ');

/** What is typed of a scope. */
export interface TypedScope {
  readonly prefix: string;
  readonly labels: string;
}

export const typedScope = (scope: Scope | undefined): TypedScope => ({
  prefix: scope?.namePrefix ?? '',
  labels: labelsText(scope),
});

/** The scope that is typed; nothing: all integrations. */
export function readScope({
  prefix,
  labels,
}: TypedScope): { readonly scope: Pick<Scope, 'namePrefix' | 'labels'> | undefined } | { problem: string } {
  const pairs = labels
    .split(/[,\n]/)
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '');
  const wrong = pairs.find((pair) => !/^[^=]+=/.test(pair));
  if (wrong !== undefined) return { problem: `“${wrong}” is no label: write key=value, apart by commas.` };
  if (prefix === '' && pairs.length === 0) return { scope: undefined };
  const entries = pairs.map((pair) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()] as const;
  });
  const twice = entries.find(([key], i) => entries.findIndex(([other]) => other === key) !== i);
  if (twice) return { problem: `The label ${twice[0]} is there twice.` };
  return { scope: { namePrefix: prefix, labels: Object.fromEntries(entries) } };
}
