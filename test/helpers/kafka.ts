import { startKafka } from '../../src/dev/kafka-server.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { serverForTests } from './server-for-tests.ts';

const kafka = serverForTests((dataDir) =>
  startKafka({ dataDir, isOpen: true, progress: () => {}, clock: systemClock }),
);

/** Bootstrap servers of a real Kafka: `PENSTOCK_TEST_KAFKA`, or one of this process. */
export async function kafkaForTests(): Promise<string> {
  return process.env.PENSTOCK_TEST_KAFKA || (await kafka()).bootstrapServers;
}
