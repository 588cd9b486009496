import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { ConnectError } from '@connectrpc/connect';
import { type WatchResponse, WatchResponseSchema } from '../../gen/penstock/v1/watch_service_pb.ts';
import { Code, PenstockError, RedriveState } from '../../src/client/contract.ts';
import { Hub } from '../../web/src/live/hub.ts';
import type { ToTab } from '../../web/src/live/messages.ts';

type Response = MessageInitShape<typeof WatchResponseSchema>;

/** A hub whose server and clock do as they are told. */
function hubForTests() {
  let now = 1_000_000;
  const timers = new Set<{ readonly at: number; readonly callback: () => void }>();
  let send: (response: Response) => void = () => {};
  let fail: (error: unknown) => void = () => {};
  let watches = 0;
  async function* watch(signal: AbortSignal): AsyncIterable<WatchResponse> {
    watches++;
    const queue: Response[] = [];
    let wake = () => {};
    let failure: { error: unknown } | undefined;
    send = (response) => {
      queue.push(response);
      wake();
    };
    fail = (error) => {
      failure = { error };
      wake();
    };
    signal.addEventListener('abort', () => fail(new Error('cut')), { once: true });
    for (;;) {
      if (failure) throw failure.error;
      const next = queue.shift();
      if (next) yield create(WatchResponseSchema, next);
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  }
  const hub = new Hub({
    watch,
    now: () => now,
    later(callback, ms) {
      const timer = { at: now + ms, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
  });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const pass = async (ms: number) => {
    now += ms;
    for (const timer of [...timers]) {
      if (timer.at > now) continue;
      timers.delete(timer);
      timer.callback();
    }
    await settle();
  };
  const ending = new AbortController();
  const running = hub.run(ending.signal);
  return {
    hub,
    pass,
    watches: () => watches,
    send: async (response: Response) => {
      send(response);
      await settle();
    },
    fail: async (error: unknown) => {
      fail(error);
      await settle();
    },
    async end() {
      ending.abort();
      await running;
    },
  };
}

/** What a tab knows by what it was told. */
function tabOf(hub: Hub) {
  const tab = {
    names: new Map<string, string>(),
    state: '',
    isSynced: false,
    told: 0,
    callers: 0,
    events: [] as string[],
    jobs: [] as string[],
    syncs: 0,
  };
  const remove = hub.add((message: ToTab) => {
    if (message.kind === 'connection') tab.state = message.connection.state;
    if (message.kind === 'caller') tab.callers++;
    if (message.kind !== 'changes') return;
    tab.told++;
    if (message.isWhole) tab.names.clear();
    for (const { id, name } of message.integrations) tab.names.set(id, name);
    for (const id of message.deleted) tab.names.delete(id);
    tab.events.push(...message.events.map(({ id }) => id));
    if (message.jobs) tab.jobs = message.jobs.map(({ job }) => `${job.value?.id} ${job.value?.state}`);
    tab.isSynced = message.isSynced;
    tab.syncs = message.syncs;
  });
  return { ...tab, get: () => tab, remove };
}

const { RUNNING, DONE } = RedriveState;
const redrive = (id: string, state: RedriveState) => ({
  job: { case: 'redrive' as const, value: { id, state } },
});
const named = (...names: string[]) => names.map((name) => ({ integration: { id: name, name } }));

test('all tabs of a browser know what one stream says, whenever they come', async () => {
  const { hub, send, pass, watches, end } = hubForTests();
  const first = tabOf(hub);
  await send({ integrations: named('a', 'b') });
  await send({ integrations: named('c'), events: [{ id: 'e1' }], synced: true });
  await pass(100);
  const second = tabOf(hub);
  await send({
    integrations: [{ integration: { id: 'a', name: 'a' }, deleted: true }],
    events: [{ id: 'e2' }],
  });
  await pass(100);
  for (const tab of [first, second]) {
    assert.deepEqual([...tab.get().names.keys()], ['b', 'c']);
    assert.deepEqual([tab.get().state, tab.get().isSynced, tab.get().events], ['live', true, ['e1', 'e2']]);
  }
  second.remove();
  await send({ integrations: named('d') });
  await pass(100);
  assert.deepEqual([first.get().names.size, second.get().names.size], [3, 2]);
  assert.equal(watches(), 1);
  await end();
});

test('a tab is told at most ten times a second', async () => {
  const { hub, send, pass, end } = hubForTests();
  const tab = tabOf(hub);
  const before = tab.get().told;
  for (let i = 0; i < 50; i++) await send({ integrations: named(`i${i}`) });
  await pass(100);
  assert.equal(tab.get().told, before + 1);
  assert.equal(tab.get().names.size, 50);
  await end();
});

test('what went while the stream was cut is gone once all there is has come again, and not before', async () => {
  const { hub, send, fail, pass, watches, end } = hubForTests();
  const tab = tabOf(hub);
  await send({ integrations: named('a', 'b'), synced: true });
  await pass(100);
  await fail(new Error('the server went away'));
  assert.equal(tab.get().state, 'down');
  await pass(499);
  assert.equal(watches(), 1);
  await pass(1);
  assert.equal(watches(), 2, 'it tries again');
  await send({ integrations: named('b') });
  await pass(100);
  assert.deepEqual([...tab.get().names.keys()], ['a', 'b']);
  await send({ synced: true });
  await pass(100);
  assert.deepEqual([tab.get().state, ...tab.get().names.keys()], ['live', 'b']);
  await end();
});

test('a job that ended while the stream was cut is gone once all there is has come again, which is counted', async () => {
  const { hub, send, fail, pass, end } = hubForTests();
  const tab = tabOf(hub);
  const known = () => [tab.get().syncs, ...tab.get().jobs];
  await send({ jobs: [redrive('a', RUNNING), redrive('b', RUNNING), redrive('c', DONE)], synced: true });
  await pass(100);
  assert.deepEqual(known(), [1, 'a 1', 'b 1', 'c 2']);
  await send({ jobs: [redrive('b', DONE)] });
  await pass(100);
  assert.deepEqual(known(), [1, 'a 1', 'b 2', 'c 2']);
  await fail(new Error('the server went away'));
  await pass(500);
  await send({ jobs: [redrive('d', RUNNING)] });
  await pass(100);
  assert.deepEqual(known(), [1, 'a 1', 'b 2', 'c 2', 'd 1']);
  await send({ synced: true });
  await pass(100);
  assert.deepEqual(known(), [2, 'b 2', 'c 2', 'd 1']);
  assert.deepEqual(tabOf(hub).get().jobs, tab.get().jobs, 'a tab that comes later knows the same');
  await end();
});

test('a server that says nothing any more is not live', async () => {
  const { hub, send, pass, end } = hubForTests();
  const tab = tabOf(hub);
  await send({ integrations: named('a'), synced: true });
  await pass(5000);
  await send({});
  await pass(5000);
  await send({});
  assert.equal(tab.get().state, 'live');
  await pass(11_000);
  assert.equal(tab.get().state, 'down');
  await end();
});

test('without a login nothing is kept of what was shown, and it waits until somebody has logged in', async () => {
  const { hub, send, fail, pass, watches, end } = hubForTests();
  const tab = tabOf(hub);
  await send({ integrations: named('a'), events: [{ id: 'e' }], synced: true });
  await pass(100);
  await fail(new PenstockError(Code.UNAUTHENTICATED, 'no', new ConnectError('no')));
  assert.deepEqual([tab.get().state, tab.get().names.size, tab.get().isSynced], ['login', 0, false]);
  await pass(60_000);
  assert.equal(watches(), 1);
  hub.retry();
  await pass(0);
  assert.equal(watches(), 2);
  await end();
});

test('whoever logs in while the stream is live sees nothing of who was there before', async () => {
  const { hub, send, pass, watches, end } = hubForTests();
  const tab = tabOf(hub);
  const jobs = [redrive('a', RUNNING), redrive('b', DONE)];
  await send({ integrations: named('secret'), events: [{ id: 'e' }], jobs, synced: true });
  await pass(100);
  hub.changeCaller();
  const { names, jobs: left, isSynced, callers } = tab.get();
  assert.deepEqual([names.size, left, isSynced, callers], [0, [], false, 1]);
  await pass(0);
  assert.equal(watches(), 2, 'it begins anew at once');
  await send({ integrations: named('mine'), jobs: [redrive('c', RUNNING)], synced: true });
  await pass(100);
  assert.deepEqual([tab.get().state, ...tab.get().names.keys()], ['live', 'mine']);
  assert.deepEqual([tab.get().jobs, tabOf(hub).get().jobs], [['c 1'], ['c 1']]);
  hub.changeCaller();
  await pass(0);
  assert.deepEqual([watches(), tab.get().names.size], [3, 0]);
  await end();
});
