import type { Metrics } from '../../runtime/metrics.ts';

const RESULTS = ['stored', 'unmatched', 'failed', 'dropped', 'refused'] as const;

/** Counts the messages of MQTT clients by what became of them. */
export type TakenIn = Readonly<Record<(typeof RESULTS)[number], ReturnType<Metrics['takenIn']['labels']>>>;

export function takenInBy(metrics: Metrics): TakenIn {
  const counters = RESULTS.map((result) => [result, metrics.takenIn.labels('mqtt', result)]);
  return Object.fromEntries(counters) as TakenIn;
}
