import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createKafkaBus } from '../../src/bus/kafka-bus.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { NameResolver } from '../../src/runtime/name-resolver.ts';
import { createTargetGuard, type TargetGuard } from '../../src/runtime/target-guard.ts';
import { DnsServer } from '../helpers/dns-server.ts';
import { bound, connected, contextOf, failureOf, never, outbound } from '../helpers/handler.ts';
import { httpEndpoint } from '../helpers/http-endpoint.ts';
import { kafkaForTests } from '../helpers/kafka.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const LOOPBACK = { addresses: ['127.0.0.1'], ttl: 0 };

async function dnsForTests(t: TestContext) {
  const dns = await DnsServer.start(t);
  const resolver = new NameResolver({ servers: [dns.address], clock: systemClock });
  return { dns, resolver, newGuard: () => createTargetGuard(true, resolver.share()) };
}

const http = (host: string, port: number) => ({
  case: 'http' as const,
  value: { restEndpointUrl: `http://${host}:${port}/` },
});
const mqtt = (host: string) => ({
  case: 'mqtt' as const,
  value: { host, topicName: 'a', clientId: 'c' },
});
const kafka = (host: string) => ({
  case: 'kafka' as const,
  value: { bootstrapServers: [`${host}:9092`], topic: 'a' },
});

/** Keeps as much on its way as one integration may, to a name that DNS is silent about; how many have ended. */
async function stuck(t: TestContext, dns: DnsServer, guard: TargetGuard) {
  dns.set('silent.example', { fault: 'silent' });
  const handler = await connected(t, http('silent.example', 80), { guard });
  const stop = new AbortController();
  const stuck = { ended: 0, stop: () => stop.abort(new Error('over')) };
  for (let i = 0; i < 64; i++) {
    void handler
      .deliver([outbound('hello', i)], stop.signal)
      .catch(() => {})
      .finally(() => stuck.ended++);
  }
  await waitUntil('it is asked for', () => dns.count('silent.example') > 0);
  return stuck;
}

test('DNS is silent about the name of one integration: the others, Kafka and PostgreSQL are reached', async (t) => {
  const { dns, resolver, newGuard } = await dnsForTests(t);
  const endpoint = await httpEndpoint(t);
  const [brokers = ''] = (await kafkaForTests()).split(',');
  const url = new URL(await databaseForTests(t));
  const [, kafkaPort] = brokers.split(':');
  for (const name of ['good.example', 'kafka.example', 'postgres.example']) dns.set(name, LOOPBACK);

  const other = await stuck(t, dns, newGuard());
  const handler = await connected(t, http('good.example', endpoint.port), { guard: newGuard() });
  assert.deepEqual(await handler.deliver([outbound('hello')], never), [{ delivered: true }]);

  const deps = { ...testDeps(), resolver };
  const connection = { brokers: [`kafka.example:${kafkaPort}`], clientId: 'by-name', replication: 1 };
  await using bus = createKafkaBus(connection, deps);
  await bus.listTopics();
  url.hostname = 'postgres.example';
  await using db = new Database(url.href, deps);
  assert.deepEqual(await db.query('select 1 as one'), [{ one: 1 }]);

  assert.equal(other.ended, 0, 'all that while the name was being looked up');
  assert.equal(dns.count('silent.example'), 2, 'once for all 64');
  other.stop();
});

test('a name without an address is told, by every type', async (t) => {
  const { newGuard } = await dnsForTests(t);
  const told = /ENOTFOUND none\.example: there is no such name/;
  for (const configuration of [http('none.example', 80), mqtt('none.example'), kafka('none.example')]) {
    const { reachable, message } = await bound(configuration).check(contextOf({ guard: newGuard() }), never);
    assert.equal(reachable, false);
    assert.match(message, told);
  }
});

test('a name that moves to an address that is not allowed is refused, however it was kept', async (t) => {
  const { dns, resolver } = await dnsForTests(t);
  const endpoint = await httpEndpoint(t);
  const metadata = { addresses: ['169.254.169.254', 'fd00:ec2::254'], ttl: 0 };
  dns.set('rebinding.example', LOOPBACK);
  const guard = createTargetGuard(true, resolver.share());
  const configuration = http('rebinding.example', endpoint.port);
  const first = await connected(t, configuration, { guard });
  assert.deepEqual(await first.deliver([outbound('hello')], never), [{ delivered: true }]);
  dns.set('rebinding.example', metadata);
  for (const one of [configuration, mqtt('rebinding.example'), kafka('rebinding.example')]) {
    const { reachable, message } = await bound(one).check(contextOf({ guard }), never);
    assert.equal(reachable, false);
    assert.match(message, /refused: rebinding\.example \(.*\) is a cloud metadata address/);
  }
  // Known by now, and yet not allowed for this one.
  dns.set('rebinding.example', { addresses: ['127.0.0.1'] });
  await resolver.lookUp('rebinding.example', never);
  const strict = await connected(t, configuration, { guard: createTargetGuard(false, resolver.share()) });
  const [outcome] = await strict.deliver([outbound('hello')], never);
  assert.match(
    failureOf(outcome).reason,
    /refused: rebinding\.example \(127\.0\.0\.1\) is a private address/,
  );
  assert.equal(endpoint.received.length, 1);
});

test('of two families the one that answers is used', async (t) => {
  const { dns, newGuard } = await dnsForTests(t);
  const endpoint = await httpEndpoint(t);
  dns.set('both.example', { addresses: ['::1', '127.0.0.1'] });
  const handler = await connected(t, http('both.example', endpoint.port), { guard: newGuard() });
  assert.deepEqual(await handler.deliver([outbound('hello')], never), [{ delivered: true }]);
});
