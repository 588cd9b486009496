import { createRequire } from 'node:module';

interface Runner {
  running: boolean;
  readonly consumerGroup: { leave(): Promise<void>; readonly cluster: { disconnect(): Promise<void> } };
  readonly fetchManager: { stop(): Promise<void> };
  waitForConsumer(): Promise<void>;
}

/**
 * A consumer of kafkajs 2.2.4 that is to stop waits for the fetch that is on its way, which lasts as long as nothing comes,
 * and leaves its group only then. Here it leaves at once: what is fetched after that is not handed out. It is
 * disconnected when the fetch has ended, for one that goes on would connect again. kafkajs is pinned, and a test says whether
 * this still takes hold.
 */
export function stopPromptly(): void {
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/consumer/runner') as {
    prototype: { stop(this: Runner): Promise<void> };
  };
  prototype.stop = async function (this: Runner) {
    if (!this.running) return;
    this.running = false;
    const { cluster } = this.consumerGroup;
    const disconnect = cluster.disconnect.bind(cluster);
    const fetched = Promise.allSettled([this.fetchManager.stop(), this.waitForConsumer()]);
    cluster.disconnect = async () => {
      await fetched;
      await disconnect();
    };
    await this.consumerGroup.leave().catch(() => {}); // Kafka is away: the session ends by itself
  };
}
