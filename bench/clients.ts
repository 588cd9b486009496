import { randomUUID } from 'node:crypto';
import { startMosquitto } from './mqtt.ts';
import { disable, enable, openHttpRig, openRig, prepare, type Rig, reached, topics } from './rig.ts';

const MESSAGES = 60_000;
const PAYLOAD = 256;
const WINDOW = 64;
const CLIENTS = [1, 1000];
/** Messages at the beginning that do not count: they pay for the start. */
const WARM_UP = 10_000;

type Configuration = Parameters<typeof enable>[2];

/** Drains 60,000 messages of 256 bytes of one client, and of 1,000 clients, in the order of each. */
export async function measureClients(): Promise<object> {
  const results: Record<string, object> = {};
  const measure = async (name: string, rig: Rig, configuration: Configuration) => {
    const rates: Record<string, number> = {};
    for (const clients of CLIENTS)
      rates[`messages/s of ${clients}`] = await drain(rig, configuration, clients);
    results[name] = rates;
  };
  {
    await using stack = new AsyncDisposableStack();
    const rig = await openHttpRig(stack);
    const value = { restEndpointUrl: rig.url };
    await measure('http', rig, { case: 'http', value });
    await measure('http in batches', rig, { case: 'http', value: { ...value, batching: {} } });
  }
  {
    await using stack = new AsyncDisposableStack();
    const port = await startMosquitto(stack);
    const value = { host: '127.0.0.1', port, qos: 1 };
    await measure('mqtt', await openRig(stack, 'mqtt'), { case: 'mqtt', value });
  }
  {
    await using stack = new AsyncDisposableStack();
    const rig = await openRig(stack, 'kafka');
    const topic = topics.messages(randomUUID());
    await rig.bus.createTopics([topic]);
    const value = { bootstrapServers: [rig.kafka], topic: topic.name, key: '${clientId}' };
    await measure('kafka', rig, { case: 'kafka', value });
  }
  return results;
}

async function drain(rig: Rig, configuration: Configuration, clients: number): Promise<number> {
  const id = await prepare(rig.bus, MESSAGES, PAYLOAD, clients);
  await enable(rig.bus, id, configuration, { maxInFlight: WINDOW, ackStrategy: 2 });
  const first = await reached(rig, id, WARM_UP);
  const begin = performance.now();
  const last = await reached(rig, id, MESSAGES);
  const seconds = (performance.now() - begin) / 1000;
  await disable(rig.bus, id, configuration.case);
  return Math.round((last - first) / seconds);
}
