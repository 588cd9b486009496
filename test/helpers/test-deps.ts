import { systemClock } from '../../src/runtime/clock.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { NameResolver } from '../../src/runtime/name-resolver.ts';
import { Warnings } from '../../src/runtime/warnings.ts';

/** What most parts are made with: the real clock, a silent logger, metrics of their own. */
export function testDeps() {
  const clock = systemClock;
  return {
    clock,
    logger: createLogger('error', clock, () => {}),
    metrics: createMetrics(),
    warnings: new Warnings(),
    resolver: new NameResolver({ clock }),
    random: Math.random,
    begun() {},
  };
}
