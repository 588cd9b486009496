import { signal } from '@preact/signals';
import { api } from '../api/client.ts';
import { type Renewed, useRenewed } from '../api/use-renewed.ts';
import { serverNow } from './live.ts';
import { type AllRates, MAX_ASKED, noted } from './rates.ts';

/** How often figures are asked for, in milliseconds: executors tell them as often. */
const PERIOD = 10_000;

/** The figures of now, as far as a page asked for them. */
export const rates = signal<AllRates>(new Map());

/** Keeps `rates` new while a page is open. @param ids whose; empty: all, up to 1,000 */
export function useFigures(ids: readonly string[]): Renewed<void> {
  const ask = async (signal: AbortSignal) => {
    const request = { integrationIds: [...ids], pageSize: MAX_ASKED };
    const { figures } = await api.statistics.listFigures(request, { signal });
    rates.value = noted(rates.value, figures, serverNow.value);
  };
  return useRenewed(ask, [ids.join()], PERIOD);
}
