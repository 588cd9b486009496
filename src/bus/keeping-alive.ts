import type { Clock } from '../runtime/clock.ts';
import type { RecordBatch } from './bus.ts';

const HEARTBEAT_INTERVAL = 1000;

/** Waits for the work while the consumer stays a member of its group. */
export async function keepingAlive<T>(
  batch: Pick<RecordBatch, 'heartbeat' | 'isRunning'>,
  clock: Clock,
  work: Promise<T>,
): Promise<T> {
  const settled = work.then(
    () => true,
    () => true,
  );
  for (;;) {
    const beat = Promise.withResolvers<boolean>();
    const cancel = clock.setTimer(() => beat.resolve(false), HEARTBEAT_INTERVAL);
    const isSettled = await Promise.race([settled, beat.promise]);
    cancel();
    if (isSettled || !batch.isRunning()) return work;
    await batch.heartbeat();
  }
}
