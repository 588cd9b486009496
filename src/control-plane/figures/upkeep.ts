import type { Clock } from '../../runtime/clock.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { Periodic, type PeriodicDeps } from '../periodic.ts';
import type { Database } from '../store/database.ts';
import { deleteOldSpans } from '../store/executor-spans.ts';
import { deleteOldBuckets, foldBuckets, noteLagOfAll } from '../store/statistics-buckets.ts';

const INTERVAL = 30_000;
/** Rows in one transaction: some 100 ms. */
const BATCH = 5000;

interface Deps extends PeriodicDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'statisticsMoved'>;
  /** For how long figures are kept, in milliseconds. */
  readonly statisticsTtl: number;
}

/** Notes what waits of all integrations together; folds figures that get old into longer times, and deletes those too old. */
export function startFiguresUpkeep(deps: Deps): Periodic {
  const { db, clock, metrics, statisticsTtl } = deps;
  let isMore = false;
  return new Periodic(
    {
      name: 'folding the history of figures',
      interval: INTERVAL,
      async work() {
        if (!isMore) await noteLagOfAll(db, new Date(clock.now())); // once for all batches
        const folded = await db.transaction((queries) => foldBuckets(queries, BATCH));
        const expired = await deleteOldBuckets(db, statisticsTtl, BATCH);
        const spans = await deleteOldSpans(db, statisticsTtl, BATCH);
        metrics.statisticsMoved.inc({ what: 'folded' }, folded);
        metrics.statisticsMoved.inc({ what: 'expired' }, expired);
        isMore = folded >= BATCH || expired === BATCH || spans === BATCH;
        return isMore;
      },
    },
    deps,
  );
}
