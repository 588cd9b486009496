import { CallerKind, Role } from '../../gen/penstock/v1/access_pb.ts';
import type { KeyRing } from '../../src/contract/sealed-secrets.ts';
import { type Caller, letAnybodyIn } from '../../src/rpc/caller.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { NameResolver } from '../../src/runtime/name-resolver.ts';
import { Warnings } from '../../src/runtime/warnings.ts';
import { keyRing, TEST_KEY_ID } from './secret-keys.ts';

/** Who calls in tests of handlers. */
export const CALLER: Caller = {
  name: 'tester',
  kind: CallerKind.TOKEN,
  role: Role.ADMIN,
  address: '127.0.0.1',
};

/** What most parts are made with: the real clock, a silent logger, metrics of their own, one key for secrets. */
export function testDeps() {
  const clock = systemClock;
  const keys = keyRing(TEST_KEY_ID);
  return {
    clock,
    logger: createLogger('error', clock, () => {}),
    metrics: createMetrics(),
    warnings: new Warnings(),
    resolver: new NameResolver({ clock }),
    random: Math.random,
    authenticate: letAnybodyIn,
    secretKeys: (): KeyRing => keys,
    begun() {},
  };
}
