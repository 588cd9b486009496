// The raw limit: kafkajs in a bare loop, from the topic of an integration to another topic of the same Kafka, with values
// of the size that Penstock's have.
import kafkajs from 'kafkajs';
import { stopBusyTimer } from '../src/kafkajs/request-queue.ts';

const [broker = '', source = '', sink = '', bytes, window] = process.argv.slice(2);
/** Records in a request, at most: kafkajs takes the square of their number to sort them. */
const CHUNK = Math.min(500, Number(window));

stopBusyTimer();
const { Kafka, logLevel, Partitioners } = kafkajs;
const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING });
const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
const consumer = kafka.consumer({ groupId: `loop-${process.pid}`, maxWaitTimeInMs: 100 });
const value = Buffer.alloc(Number(bytes), 'x');

process.on('disconnect', () => process.exit());
process.on('message', async () => {
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    async eachBatch({ batch: { messages }, resolveOffset }) {
      for (let i = 0; i < messages.length; i += CHUNK) {
        const chunk = messages.slice(i, i + CHUNK);
        await producer.send({ topic: sink, acks: -1, messages: chunk.map(({ key }) => ({ key, value })) });
        resolveOffset(chunk.at(-1)!.offset);
      }
    },
  });
});
await producer.connect();
await consumer.connect();
await consumer.subscribe({ topic: source, fromBeginning: true });
process.send?.({ ready: true });
