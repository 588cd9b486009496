import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { listIntegrations } from '../../src/control-plane/store/integrations.ts';
import { createFanOut } from '../../src/ingress/fan-out.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { CONFIG, controlPlaneForTests } from '../helpers/control-plane.ts';
import { type Installation, installation, unsettled } from '../helpers/convergence.ts';
import { dyingControlPlane, type Point } from '../helpers/dying-control-plane.ts';
import { kafkaForTests } from '../helpers/kafka.ts';
import { receiver } from '../helpers/receiver.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const LONG = process.env.PENSTOCK_TEST_LONG !== undefined;
const CHANGES = LONG ? 1000 : 100;
const LANES = 4;
/** Integrations at a time, about. */
const LIVING = 8;
const PAUSE = 600;
const SETTLED = 30_000;
/** From when a deletion was answered, until which what was on its way may still arrive. */
const LAST_ARRIVAL = 5000;

const COMPACTED_OFTEN = {
  'segment.ms': '200',
  'min.cleanable.dirty.ratio': '0.01',
  'delete.retention.ms': '0',
};

/** The same numbers for the same seed. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

type Client = ReturnType<typeof createClient<typeof IntegrationService>>;

/** Beside an executor that stays, one that comes and goes. Answers how often. */
async function restlessExecutor({ addExecutor }: Installation, isOver: () => boolean): Promise<number> {
  let count = 0;
  for (; !isOver(); count++) {
    const executor = await addExecutor(`ie-${count + 1}`);
    await sleep(6000);
    await executor[Symbol.asyncDispose]();
  }
  return count;
}

/** Two nodes of which one is killed again and again, at its work, and the other stopped and started. */
async function restlessNodes(t: TestContext, world: Installation, isOver: () => boolean) {
  const { postgresUrl, kafka, prefix } = world;
  const clients = new Map<string, Client>();
  const counts = { kills: 0, stops: 0 };
  const points: Point[] = ['before publishing', 'after publishing', 'between two records'];
  const killed = async () => {
    for (let n = 0; !isOver(); n++) {
      const config = { ...CONFIG, serviceId: 'killed', postgresUrl };
      const brokers = await kafkaForTests();
      const point = points[n % points.length]!;
      const node = await dyingControlPlane(t, { config, brokers, prefix, point });
      using client = createClient(IntegrationService, node.address);
      clients.set('killed', client);
      await sleep(2000);
      await node.arm();
      // It dies when it relays next; while the other one does, it lives.
      const died = await Promise.race([node.died, sleep(5000)]);
      clients.delete('killed');
      if (died === 'SIGKILL') counts.kills++;
      else node.kill();
      await node.died;
    }
  };
  const stopped = async () => {
    while (!isOver()) {
      const node = await controlPlaneForTests(t, { serviceId: 'stopped', postgresUrl }, kafka);
      clients.set('stopped', node.client);
      await sleep(5000);
      clients.delete('stopped');
      await node.stop();
      counts.stops++;
      await sleep(500); // the other one has to do it alone
    }
  };
  return { clients, counts, ended: Promise.all([killed(), stopped()]) };
}

test('changes that race with compaction and with nodes that come and go', async (t) => {
  const seed = Date.now() % 2 ** 31;
  const random = numbers(seed);
  const pick = <T>(all: readonly T[]): T | undefined => all[Math.floor(random() * all.length)];
  const endpoint = await receiver(t);
  const world = await installation(t, (downlink) => ({
    ...downlink,
    config: { ...downlink.config, ...COMPACTED_OFTEN },
  }));
  const { db, deps, filters } = world;
  const takeIn = createFanOut({ ...deps, filters, node: 'in', newId: () => new Uint8Array(16) });
  const publish = (name: string, payload: string) =>
    takeIn({
      topicName: `race/${name}`,
      payload: Buffer.from(payload),
      clientId: 'c',
      qos: 1,
      retain: false,
      userProperties: [],
    });
  /** Every name that was ever wanted, and when the deletion of some was answered. */
  const names: string[] = [];
  const deleted = new Map<string, number>();
  const living = new Map<string, string>();
  let left = CHANGES;
  /** What calls ended with that were not answered as they should be, and how often. */
  const failures = new Map<string, number>();

  const create = async (client: Client) => {
    const name = `n${names.length}`;
    names.push(name);
    const { integration } = await client.createIntegration({
      integration: {
        name,
        enabled: true,
        topicFilters: [`race/${name}`],
        configuration: {
          case: 'http',
          value: { restEndpointUrl: endpoint.url, sendOnlyMsgPayload: true, headers: { 'x-name': name } },
        },
        delivery: { maxExecutors: 2 },
      },
    });
    living.set(name, integration!.id);
  };
  const change = async (client: Client, name: string) => {
    const id = living.get(name)!;
    const dice = random();
    if (dice < 0.3) await client.disableIntegration({ id });
    else if (dice < 0.6) await client.enableIntegration({ id });
    else {
      const delivery = { maxExecutors: dice < 0.8 ? 1 : 2 };
      const integration = { id, description: String(dice), delivery };
      await client.updateIntegration({ integration, updateMask: { paths: ['description', 'delivery'] } });
    }
  };
  const remove = async (client: Client, name: string) => {
    const id = living.get(name)!;
    living.delete(name);
    await client.deleteIntegration({ id });
    deleted.set(name, Date.now());
  };
  const nodes = await restlessNodes(t, world, () => left <= 0);
  const executors = restlessExecutor(world, () => left <= 0);
  const lane = async () => {
    while (left > 0) {
      const client = pick([...nodes.clients.values()]);
      const name = pick([...living.keys()]);
      const dice = random() * (name ? 1 : 0.3);
      if (client) {
        left--;
        const isFew = living.size < LIVING * (0.5 + random());
        const act =
          !name || (dice < 0.5 && isFew)
            ? create(client)
            : dice < 0.7
              ? change(client, name)
              : remove(client, name);
        // A node that dies or stops answers nothing; PostgreSQL knows what was saved.
        await act.catch((error) => {
          const what = String(error.message).slice(0, 60);
          failures.set(what, (failures.get(what) ?? 0) + 1);
        });
      }
      await sleep(random() * PAUSE);
    }
  };
  const late: string[] = [];
  const traffic = (async () => {
    let seen = 0;
    while (left > 0) {
      const name = pick(names);
      if (name) await publish(name, 'early').catch(() => {}); // its topic may be gone already
      for (; seen < endpoint.received.length; seen++) {
        const from = String(endpoint.received[seen]!.headers['x-name']);
        if (Date.now() - (deleted.get(from) ?? Number.POSITIVE_INFINITY) > LAST_ARRIVAL) late.push(from);
      }
      await sleep(10);
    }
  })();
  await Promise.all([traffic, ...Array.from({ length: LANES }, lane)]);
  await nodes.ended;
  const restarts = await executors;

  await controlPlaneForTests(t, { serviceId: 'last', postgresUrl: world.postgresUrl }, world.kafka);
  let wrong: readonly string[] = [];
  const isSettled = async () => {
    wrong = await unsettled(world);
    return wrong.length === 0;
  };
  await waitUntil('everybody knows', isSettled, SETTLED).catch(() =>
    assert.deepEqual(wrong, [], `seed ${seed}`),
  );

  const stored = (await listIntegrations(db, {})).map(({ integration }) => integration);
  for (const name of names) await publish(name, 'final');
  const finals = () =>
    endpoint.received
      .filter(({ body }) => body.toString() === 'final')
      .map(({ headers }) => String(headers['x-name']))
      .toSorted();
  const expected = stored
    .filter(({ enabled }) => enabled)
    .map(({ name }) => name)
    .toSorted();
  await waitUntil('what lives and is enabled sends', () => finals().length >= expected.length, SETTLED);
  await sleep(LAST_ARRIVAL);
  assert.deepEqual(finals(), expected, `seed ${seed}: nothing deleted or disabled sends`);
  assert.deepEqual(late, [], `seed ${seed}`);

  const { written, kept } = await compaction(world);
  const { kills, stops } = nodes.counts;
  assert.ok(kills > 0 && stops > 0 && restarts > 0);
  t.diagnostic(
    `${CHANGES} changes (without an answer: ${inspect(failures)}), ${names.length} created, ${stored.length} left, ` +
      `${kills} kills, ${stops} stops, ${restarts} restarts of an executor, ${kept} of ${written} records left by compaction, seed ${seed}`,
  );
});

/** How many records were written to the downlink topic, and how many of them are still there. */
async function compaction({ bus, topics }: Installation) {
  const { name } = topics.downlink('http');
  const ranges = await bus.offsets(name);
  let kept = 0;
  await bus.read({
    topic: name,
    ranges,
    isCompacted: true,
    async eachBatch(records) {
      kept += records.length;
    },
  });
  return { written: [...ranges.values()].reduce((sum, { end }) => sum + end, 0), kept };
}
