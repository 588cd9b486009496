import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { WatchIntegrationsResponse } from '../../../gen/penstock/v1/integration_service_pb.ts';
import {
  type Job,
  JobSchema,
  type WatchRequest,
  type WatchResponse,
  WatchResponseSchema,
} from '../../../gen/penstock/v1/watch_service_pb.ts';
import { sharedBytes } from '../../rpc/shared-answer.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type Scoped, scopeOf } from '../access/scope.ts';
import { eventSelectionOf } from '../status/event-filter.ts';
import { eventLists } from './event-watch.ts';
import { IntegrationWatch } from './integration-watch.ts';
import { jobLists } from './job-watch.ts';
import { merged, type Open } from './merged.ts';
import { nodeLists } from './node-watch.ts';
import { packed } from './packed.ts';
import type { Watches } from './watches.ts';

/** A response comes at least so often, in milliseconds: callers are promised 5 seconds. */
const BEAT = 4000;
const MAX_INTEGRATIONS = 200;
const MAX_EVENTS = 100;
const MAX_JOBS = 100;

/** What a part has for a response; `synced`: all that was there, once. */
type Piece = Omit<MessageInitShape<typeof WatchResponseSchema>, '$typeName'> | 'synced';
type Feeds = Pick<Watches, 'integrations' | 'events' | 'nodes' | 'jobs'>;

/** What the request asks for: first what is there, then what changes, until the signal aborts. */
export async function* wholeWatch(
  request: WatchRequest,
  caller: Scoped,
  feeds: Feeds,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<WatchResponse> {
  const parts = partsOf(request, caller, feeds);
  let unsynced = parts.length;
  let isSynced = false;
  for await (const pieces of merged<Piece>([(over) => beats(clock, over), ...parts], signal)) {
    unsynced -= pieces.filter((piece) => piece === 'synced').length;
    const synced: boolean = unsynced === 0 && !isSynced;
    isSynced ||= synced;
    const told = pieces.filter((piece) => piece !== 'synced');
    if (told.length === 0 && !synced) continue;
    const time = timestampFromMs(clock.now());
    yield create(WatchResponseSchema, Object.assign({ time, synced }, ...told));
  }
}

function partsOf({ integrations, view, events, nodes, jobs }: WatchRequest, caller: Scoped, feeds: Feeds) {
  const parts: Open<Piece>[] = [];
  if (integrations) {
    const watch = new IntegrationWatch(caller, integrations, view);
    parts.push((over) => integrationPieces(watch, feeds, over));
  }
  if (events) {
    const wanted = { selection: eventSelectionOf(events, 'events'), scope: scopeOf(caller) };
    parts.push((over) => eventPieces(eventLists(feeds.events, wanted, over)));
  }
  if (nodes) parts.push((over) => nodePieces(nodeLists(feeds.nodes, scopeOf(caller), over)));
  if (jobs) parts.push((over) => jobPieces(jobLists(feeds.jobs, scopeOf(caller), over)));
  return parts;
}

async function* integrationPieces(
  watch: IntegrationWatch,
  feeds: Feeds,
  signal: AbortSignal,
): AsyncGenerator<Piece> {
  for await (const list of watch.lists(feeds.integrations, signal)) {
    if (list === 'synced') yield 'synced';
    else for (const integrations of packed(list, MAX_INTEGRATIONS, sizeOf)) yield { integrations };
  }
}

/** Whoever watches the same integrations alone gets these bytes, too. */
const sizeOf = (answer: WatchIntegrationsResponse): number => sharedBytes(answer)?.length ?? 0;

async function* eventPieces(lists: ReturnType<typeof eventLists>): AsyncGenerator<Piece> {
  for await (const list of lists) {
    if (list === 'synced') yield 'synced';
    else {
      for (const some of packed(list, MAX_EVENTS, ({ bytes }) => bytes))
        yield { events: some.map(({ event }) => event) };
    }
  }
}

async function* jobPieces(lists: ReturnType<typeof jobLists>): AsyncGenerator<Piece> {
  for await (const list of lists) {
    if (list === 'synced') yield 'synced';
    else for (const jobs of packed(list, MAX_JOBS, bytesOf)) yield { jobs };
  }
}

const bytesOf = (job: Job): number => toBinary(JobSchema, job).length;

async function* nodePieces(lists: ReturnType<typeof nodeLists>): AsyncGenerator<Piece> {
  let isFirst = true;
  for await (const nodes of lists) {
    yield { nodes: [...nodes] };
    if (isFirst) yield 'synced';
    isFirst = false;
  }
}

/** Says at once, and then all the time, that the server is there. */
async function* beats(clock: Clock, signal: AbortSignal): AsyncGenerator<Piece> {
  for (;;) {
    yield {};
    await clock.sleep(BEAT, signal);
  }
}
