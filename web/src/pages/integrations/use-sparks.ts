import { signal } from '@preact/signals';
import { api } from '../../api/client.ts';
import { useRenewed } from '../../api/use-renewed.ts';
import { serverNow } from '../../live/live.ts';
import { type Spark, sparkOf, type Totals, totalsOf } from './spark.ts';

/** How long the sparklines are, in seconds. */
const LENGTH = 600;
/** Of how many integrations one call tells. */
const AT_ONCE = 10;
/** How long a sparkline is new, in milliseconds: its buckets are of a minute. */
const FRESH = 30_000;
/** How often it is looked whether one is not new any more, in milliseconds. */
const PERIOD = 10_000;

const sparks = signal<ReadonlyMap<string, Spark & { readonly time: number }>>(new Map());

export const sparkFor = (id: string): Spark | undefined => sparks.value.get(id);

const secondsAgo = (seconds: number) => {
  const start = Math.floor(serverNow.peek() / 1000) - seconds;
  return { start, startTime: { seconds: BigInt(start), nanos: 0 } };
};

/** Keeps the sparklines of the rows in view, ten at a time, and forgets all others. */
export function useSparks(ids: readonly string[]): void {
  useRenewed(
    async (signal) => {
      const known = new Map(ids.flatMap((id) => [[id, sparks.peek().get(id)] as const]));
      const isDue = (id: string) => (known.get(id)?.time ?? 0) < Date.now() - FRESH;
      const due = ids.filter(isDue);
      for (let n = 0; n < due.length; n += AT_ONCE) {
        const integrationIds = due.slice(n, n + AT_ONCE);
        const { start, startTime } = secondsAgo(LENGTH);
        const { series } = await api.statistics.queryStatistics({ integrationIds, startTime }, { signal });
        for (const one of series) {
          const spark = sparkOf(one, start, serverNow.peek() / 1000);
          known.set(one.integrationId, { ...spark, time: Date.now() });
        }
        sparks.value = new Map([...known].flatMap(([id, one]) => (one ? [[id, one]] : [])));
      }
    },
    [ids.join()],
    PERIOD,
  );
}

/** What all integrations that the caller may see do together; undefined: it is not known. */
export function useTotals(): Totals | undefined {
  const { value, failure } = useRenewed(
    async (signal) => {
      const { start, startTime } = secondsAgo(180);
      const { series } = await api.statistics.queryStatistics({ startTime }, { signal });
      return series[0] && totalsOf(series[0], start, serverNow.peek() / 1000);
    },
    [],
    PERIOD,
  );
  return failure ? undefined : value;
}
