import { signal } from '@preact/signals';
import { CallerKind, type Self } from '../../../src/client/contract.ts';
import { api } from '../api/client.ts';

/** Who uses the page; undefined: not known, or nobody. */
export const self = signal<Self | undefined>(undefined);

/** Asks who it is. */
export async function loadSelf(): Promise<void> {
  self.value = (await api.auth.getSelf({})).self;
}

/** Whether the API lets in whoever asks. */
export const isOpenToAll = (): boolean => self.value?.kind === CallerKind.ANYBODY;

/**
 * Why the user may not call a method, such as `IntegrationService/EnableIntegration`; undefined: it may, or it is not known.
 * What may not be done is shown, with this, rather than hidden.
 */
export function refusal(method: string): string | undefined {
  const known = self.value;
  if (!known || known.allowedMethods.length === 0) return undefined;
  if (known.allowedMethods.some((one) => one.endsWith(method))) return undefined;
  return `${known.name} may not do this: it needs another role; ask an admin`;
}
