import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { ExecutorConfig } from '../config.ts';
import type { Delivery } from '../delivery/delivery.ts';
import type { Intake } from '../delivery/intake.ts';
import type { Statistics } from '../delivery/statistics.ts';
import type { Reporter, Subject } from '../uplink/reporter.ts';

interface Deps {
  readonly config: Pick<ExecutorConfig, 'statisticsInterval'>;
  readonly reporter: Reporter;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Reports the figures each interval when they have changed, and a last time when the answer is called. */
export function reportFigures(
  statistics: Statistics,
  delivery: Delivery,
  intake: Intake,
  subject: () => Subject,
  { config, reporter, clock, logger }: Deps,
): () => void {
  let last = '';
  const report = () => {
    const value = statistics.report(delivery.window, intake.lag);
    const { integrationId, generation } = subject();
    const { lastDeliveredTime: _, interval: __, startTime: ___, oldestAge, ...counted } = value;
    const { latencyCounts, failures = [], ...counts } = counted;
    const figures = Object.entries(counts).map(([name, figure]) => [name, String(figure)]);
    const others = [latencyCounts, generation, oldestAge?.seconds, ...failures.map(({ count }) => count)];
    const now = JSON.stringify([...figures, ...others.map(String)]);
    if (now === last) return;
    last = now;
    reporter.tell(subject(), { case: 'statistics', value });
    logger.info('statistics', { integration: integrationId, ...Object.fromEntries(figures) });
  };
  let cancel = () => {};
  let stopped = false;
  const tick = () => {
    cancel = clock.setTimer(() => {
      void intake.refreshLag().then(() => {
        if (stopped) return;
        report();
        tick();
      });
    }, config.statisticsInterval);
  };
  tick();
  return () => {
    stopped = true;
    cancel();
    report();
  };
}
