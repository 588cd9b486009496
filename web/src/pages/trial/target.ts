import type { Integration } from '../../../../src/client/contract.ts';

type Target =
  | { readonly case: 'id'; readonly value: string }
  | { readonly case: 'integration'; readonly value: Integration };

/** What an executor is asked about: what is stored, by its id, or a draft. */
export const targetOf = (target: Integration | string): Target =>
  typeof target === 'string' ? { case: 'id', value: target } : { case: 'integration', value: target };
