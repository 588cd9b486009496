import { signal } from '@preact/signals';
import { CallerKind, type Self } from '../../../src/client/contract.ts';
import { api } from '../api/client.ts';
import { refusalOf } from './refusal.ts';

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
export const refusal = (method: string): string | undefined => self.value && refusalOf(self.value, method);
