import { signal } from '@preact/signals';
import type { Event, Integration, Job, Node } from '../../../src/client/contract.ts';
import { newRequestId } from '../api/request-id.ts';
import { type Connection, type FromTab, MAX_EVENTS, type ToTab } from './messages.ts';
import { scriptUrl } from './trusted.ts';
import workerUrl from './worker.ts?sharedworker&url';

/** A worker that says nothing for so long is gone: browsers may end one. Milliseconds. */
const LOST = 8000;

/** How the stream from the server is. */
export const connection = signal<Connection>({ state: 'connecting' });
/** Everything there is has come: what is empty is empty. */
export const isSynced = signal(false);
/** How often it has: what is listed is listed again then. */
export const syncs = signal(0);
export const integrations = signal<ReadonlyMap<string, Integration>>(new Map());
/** The newest, the oldest of them first. */
export const events = signal<readonly Event[]>([]);
export const nodes = signal<readonly Node[]>([]);
/** Replays and redrives that run, or ended while this was looked at. */
export const jobs = signal<readonly Job[]>([]);
/** The time of now, by the server's clock: moves every second. */
export const serverNow = signal(Date.now());

let ahead = 0;
let send: (message: FromTab) => void = () => {};
let leave: () => void = () => {};
let lastHeard = Date.now();

/** Tries again at once. */
export const retryLive = (): void => send({ kind: 'retry' });

/** Somebody logged in, or out: all tabs begin anew. */
export function changeCaller(): void {
  connection.value = { state: 'connecting' }; // that nobody was logged in is of the past, though it was not asked again yet
  send({ kind: 'caller' });
}

/** Counts the callers that this tab has seen. */
export const callers = signal(0);

/** Follows the server from now on. */
export function startLive(): void {
  setInterval(() => {
    serverNow.value = Date.now() + ahead;
  }, 1000);
  if (typeof SharedWorker === 'undefined' || !navigator.locks) {
    void startInPage();
    return;
  }
  connectWorker();
  setInterval(() => {
    if (Date.now() - lastHeard > LOST) connectWorker();
  }, LOST / 4);
}

function connectWorker(): void {
  lastHeard = Date.now();
  leave();
  const { port } = new SharedWorker(scriptUrl(workerUrl), { type: 'module', name: 'penstock' });
  const lock = `penstock ${newRequestId()}`;
  const onMessage = ({ data }: MessageEvent<ToTab>) => take(data);
  port.addEventListener('message', onMessage);
  port.start();
  const post = (message: FromTab) => port.postMessage(message);
  send = post;
  const { promise, resolve } = Promise.withResolvers<void>();
  leave = () => {
    port.removeEventListener('message', onMessage);
    resolve();
  };
  // As long as the tab is there, or until it has another port.
  void navigator.locks.request(lock, () => {
    post({ kind: 'hello', lock });
    return promise;
  });
}

/** The same without a worker, for browsers that have none. */
async function startInPage(): Promise<void> {
  const { hubOfServer } = await import('./watching.ts');
  const hub = hubOfServer();
  send = ({ kind }) => (kind === 'caller' ? hub.changeCaller() : hub.retry());
  hub.add(take);
  void hub.run(new AbortController().signal);
}

function take(message: ToTab): void {
  lastHeard = Date.now();
  if (message.kind === 'connection') connection.value = message.connection;
  if (message.kind === 'caller') callers.value++;
  if (message.kind !== 'changes') return;
  if (message.isWhole || message.integrations.length + message.deleted.length > 0) {
    const next = new Map(message.isWhole ? [] : integrations.value);
    for (const integration of message.integrations) next.set(integration.id, integration);
    for (const id of message.deleted) next.delete(id);
    integrations.value = next;
  }
  ahead = message.ahead;
  serverNow.value = Date.now() + ahead;
  if (message.isWhole) events.value = message.events;
  else if (message.events.length > 0) events.value = [...events.value, ...message.events].slice(-MAX_EVENTS);
  if (message.nodes) nodes.value = message.nodes;
  if (message.jobs) jobs.value = message.jobs;
  isSynced.value = message.isSynced;
  syncs.value = message.syncs;
}
