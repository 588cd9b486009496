import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, systemClock } from '../../src/runtime/clock.ts';
import { NameResolver } from '../../src/runtime/name-resolver.ts';
import { DnsServer } from '../helpers/dns-server.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const never = new AbortController().signal;

/** A resolver with files and a DNS server of its own, whose time can leap. */
async function resolverForTests(t: TestContext, { hosts = '', resolvConf = '' } = {}) {
  const directory = await temporaryDirectory(t);
  const [hostsFile, conf] = [join(directory, 'hosts'), join(directory, 'resolv.conf')];
  await writeFile(hostsFile, hosts);
  await writeFile(conf, resolvConf);
  let leapt = 0;
  const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + leapt };
  const dns = await DnsServer.start(t);
  const resolver = new NameResolver({ servers: [dns.address], clock, hostsFile, resolvConf: conf });
  const leap = (seconds: number) => {
    leapt += seconds * 1000;
  };
  return { dns, resolver, leap, hostsFile, conf };
}

const addressesOf = async (resolver: NameResolver, name: string, lookUp = resolver.lookUp) =>
  (await lookUp(name, never)).map(({ address }) => address);

test('both families are asked for, many addresses kept in the order of the answer', async (t) => {
  const { dns, resolver } = await resolverForTests(t);
  const many = Array.from({ length: 20 }, (_, i) => `192.0.2.${i + 1}`);
  dns.set('many.example', { addresses: [...many, '2001:db8::1'] });
  const found = await resolver.lookUp('Many.Example', never);
  assert.deepEqual(
    found.filter(({ family }) => family === 4).map(({ address }) => address),
    many,
  );
  assert.deepEqual(
    found.filter(({ family }) => family === 6),
    [{ address: '2001:db8::1', family: 6 }],
  );
  dns.set('six.example', { addresses: ['2001:db8::2'] });
  assert.deepEqual(await addressesOf(resolver, 'six.example'), ['2001:db8::2']);
});

test('an answer is kept for its TTL, however many ask, and shared by those who wait for it', async (t) => {
  const { dns, resolver, leap } = await resolverForTests(t);
  dns.set('a.example', { addresses: ['192.0.2.1'], ttl: 30, delay: 50 });
  const [one, other] = [resolver.share(), resolver.share()];
  const asking = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? one : other)('a.example', never));
  for (const found of await Promise.all(asking))
    assert.deepEqual(found, [{ address: '192.0.2.1', family: 4 }]);
  assert.equal(dns.count('a.example'), 2);
  dns.set('a.example', { addresses: ['192.0.2.2'], ttl: 0 });
  leap(29);
  assert.deepEqual(await addressesOf(resolver, 'a.example'), ['192.0.2.1']);
  leap(2);
  assert.deepEqual(await addressesOf(resolver, 'a.example'), ['192.0.2.2']);
  assert.deepEqual(await addressesOf(resolver, 'a.example'), ['192.0.2.2']);
  assert.equal(dns.count('a.example'), 6, 'a TTL of 0 is not kept');
});

test('no answer is kept for longer than five minutes', async (t) => {
  const { dns, resolver, leap } = await resolverForTests(t);
  dns.set('a.example', { addresses: ['192.0.2.1'], ttl: 86_400 });
  await resolver.lookUp('a.example', never);
  dns.set('a.example', { addresses: ['192.0.2.2'] });
  leap(301);
  assert.deepEqual(await addressesOf(resolver, 'a.example'), ['192.0.2.2']);
});

test('a name without an address is told apart from a DNS server that fails; both are kept briefly', async (t) => {
  const { dns, resolver, leap } = await resolverForTests(t);
  dns.set('empty.example', {});
  dns.set('broken.example', { fault: 'SERVFAIL' });
  const missing = {
    name: 'NameError',
    code: 'ENOTFOUND',
    message: /^ENOTFOUND \w+\.example: there is no such/,
  };
  const failed = { name: 'NameError', code: 'EAI_AGAIN', message: /^EAI_AGAIN .*no answer \(ESERVFAIL\)/ };
  const lookUp = (name: string) => resolver.lookUp(name, never);
  for (let i = 0; i < 2; i++) {
    await assert.rejects(lookUp('none.example'), missing);
    await assert.rejects(lookUp('empty.example'), missing);
    await assert.rejects(lookUp('broken.example'), failed);
  }
  assert.equal(dns.count('none.example'), 2);
  assert.equal(dns.count('empty.example'), 2);
  leap(6);
  for (const name of ['none.example', 'broken.example']) {
    dns.set(name, { addresses: ['192.0.2.1'] });
    assert.deepEqual(await addressesOf(resolver, name), ['192.0.2.1']);
  }
});

test('a server that is silent about IPv6 addresses does not hold up the others', async (t) => {
  const { dns, resolver } = await resolverForTests(t);
  dns.set('four.example', { addresses: ['192.0.2.1'], fault: 'silent-AAAA' });
  assert.deepEqual(await addressesOf(resolver, 'four.example'), ['192.0.2.1']);
});

test('a silent server: a lookup ends by itself, or with its last caller, and the next one asks anew', async (t) => {
  const { dns, resolver } = await resolverForTests(t);
  dns.set('silent.example', { fault: 'silent' });
  const [first, second] = [new AbortController(), new AbortController()];
  const [one, other] = [first, second].map(({ signal }) => resolver.lookUp('silent.example', signal));
  await waitUntil('it is asked for', () => dns.count('silent.example') === 2);
  first.abort(new Error('given up'));
  await assert.rejects(one!, /given up/);
  const ended = assert.rejects(resolver.lookUp('silent.example', never), {
    code: 'EAI_AGAIN',
    message: /no answer \(ETIMEOUT\)/,
  });
  second.abort(new Error('given up, too'));
  await assert.rejects(other!, /given up, too/);
  await ended;
  dns.asked.length = 0;
  const last = new AbortController();
  const given = resolver.lookUp('lost.example', last.signal);
  dns.set('lost.example', { addresses: ['192.0.2.1'], delay: 100 });
  last.abort(new Error('given up'));
  await assert.rejects(given, /given up/);
  assert.deepEqual(await addressesOf(resolver, 'lost.example'), ['192.0.2.1']);
});

test('many silent names of one share hold up neither another one nor those without a share', async (t) => {
  const { dns, resolver } = await resolverForTests(t);
  const [greedy, other] = [resolver.share(), resolver.share()];
  const stop = new AbortController();
  const names = Array.from({ length: 50 }, (_, i) => `silent${i}.example`);
  for (const name of names) dns.set(name, { fault: 'silent' });
  dns.set('good.example', { addresses: ['192.0.2.1'] });
  dns.set('own.example', { addresses: ['192.0.2.2'] });
  let ended = 0;
  const asking = names.map((name) =>
    greedy(name, stop.signal)
      .catch(() => {})
      .finally(() => ended++),
  );
  await waitUntil('some are asked for', () => dns.asked.length >= 16);
  assert.deepEqual(await addressesOf(resolver, 'good.example', other), ['192.0.2.1']);
  assert.deepEqual(await addressesOf(resolver, 'own.example'), ['192.0.2.2']);
  assert.equal(ended, 0);
  const askedFor = names.filter((name) => dns.count(name) > 0);
  assert.equal(askedFor.length, 8, 'a share has so many at a time');
  assert.deepEqual(
    await addressesOf(resolver, 'good.example', greedy),
    ['192.0.2.1'],
    'what is known costs nothing',
  );
  stop.abort(new Error('over'));
  await Promise.all(asking);
});

test('names are completed as resolv.conf says, which may change', async (t) => {
  const { dns, resolver, conf, leap } = await resolverForTests(t, {
    resolvConf: 'search shop.svc.local svc.local\noptions ndots:5\n',
  });
  dns.set('kafka.svc.local', { addresses: ['192.0.2.1'] });
  dns.set('postgres.default.shop.svc.local', { fault: 'SERVFAIL' });
  dns.set('postgres.default.svc.local', { addresses: ['192.0.2.2'] });
  dns.set('broker.example.com', { addresses: ['192.0.2.3'] });
  assert.deepEqual(await addressesOf(resolver, 'kafka'), ['192.0.2.1']);
  assert.deepEqual(await addressesOf(resolver, 'postgres.default'), ['192.0.2.2']);
  assert.deepEqual(await addressesOf(resolver, 'broker.example.com'), ['192.0.2.3']);
  dns.asked.length = 0;
  assert.deepEqual(await addressesOf(resolver, 'broker.example.com.'), ['192.0.2.3']);
  assert.deepEqual(dns.asked.toSorted(), ['A broker.example.com', 'AAAA broker.example.com']);
  await assert.rejects(resolver.lookUp('kafka.', never), { code: 'ENOTFOUND' });
  await writeFile(conf, 'search other.local\n');
  dns.set('kafka.other.local', { addresses: ['192.0.2.4'] });
  leap(61);
  assert.deepEqual(await addressesOf(resolver, 'kafka'), ['192.0.2.4']);
});

test('the hosts file comes before DNS, and is read again when it changes', async (t) => {
  const { dns, resolver, hostsFile } = await resolverForTests(t, {
    hosts: '192.0.2.7 kafka\n2001:db8::7 kafka\n',
  });
  dns.set('kafka', { addresses: ['192.0.2.1'] });
  assert.deepEqual(await addressesOf(resolver, 'KAFKA'), ['192.0.2.7', '2001:db8::7']);
  await writeFile(hostsFile, '192.0.2.8 kafka\n');
  assert.deepEqual(await addressesOf(resolver, 'kafka'), ['192.0.2.8']);
  assert.deepEqual(dns.asked, []);
  await writeFile(hostsFile, '');
  assert.deepEqual(await addressesOf(resolver, 'kafka'), ['192.0.2.1']);
});

test('localhost is this machine, whatever files and servers say; addresses are what they are', async (t) => {
  const { dns, resolver, hostsFile } = await resolverForTests(t);
  for (const name of ['localhost', 'a.localhost']) dns.set(name, { addresses: ['192.0.2.1'] });
  for (const name of ['localhost', 'LocalHost.', 'a.localhost']) {
    assert.deepEqual(await addressesOf(resolver, name), ['127.0.0.1', '::1'], name);
  }
  await writeFile(hostsFile, '192.0.2.9 localhost\n127.0.0.1 localhost\n');
  for (const name of ['localhost', 'a.localhost']) {
    assert.deepEqual(await addressesOf(resolver, name), ['127.0.0.1'], name);
  }
  assert.deepEqual(await addressesOf(resolver, '2130706433'), ['127.0.0.1']);
  assert.deepEqual(await addressesOf(resolver, '::1'), ['::1']);
  assert.deepEqual(dns.asked, []);
});

test('a slow answer is waited for', async (t) => {
  const { dns, resolver } = await resolverForTests(t);
  dns.set('slow.example', { addresses: ['192.0.2.1'], delay: 700 });
  const found = addressesOf(resolver, 'slow.example');
  await sleep(100);
  assert.deepEqual(await addressesOf(resolver, 'slow.example'), await found);
  assert.equal(dns.count('slow.example'), 2);
});
