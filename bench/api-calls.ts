import { randomUUID } from 'node:crypto';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { AuditService } from '../gen/penstock/v1/audit_service_pb.ts';
import type { ClusterService } from '../gen/penstock/v1/cluster_service_pb.ts';
import { EventKind, type EventService } from '../gen/penstock/v1/event_service_pb.ts';
import { IntegrationState, IntegrationType } from '../gen/penstock/v1/integration_pb.ts';
import type { IntegrationService } from '../gen/penstock/v1/integration_service_pb.ts';
import type { ReplayService } from '../gen/penstock/v1/replay_service_pb.ts';
import type { RevisionService } from '../gen/penstock/v1/revision_service_pb.ts';
import type { RpcClient } from '../src/rpc/grpcjs.ts';

interface Clients {
  readonly integrations: RpcClient<typeof IntegrationService>;
  readonly events: RpcClient<typeof EventService>;
  readonly replays: RpcClient<typeof ReplayService>;
  readonly audit: RpcClient<typeof AuditService>;
  readonly revisions: RpcClient<typeof RevisionService>;
  readonly cluster: RpcClient<typeof ClusterService>;
}

type Calls = Record<string, () => Promise<unknown>>;
const HOUR = 3_600_000;

/** What is measured, by its name; of one integration where it is of one. */
export async function calls(clients: Clients, integrationId: string): Promise<Calls> {
  return {
    ...(await callsForIntegrations(clients, integrationId)),
    ...(await callsForEvents(clients, integrationId)),
    ...(await callsForReplays(clients, integrationId)),
    'audit records': () => clients.audit.listAuditRecords({}),
    'revisions of an integration': () => clients.revisions.listRevisions({ integrationId }),
    nodes: () => clients.cluster.listNodes({}),
  };
}

async function callsForIntegrations({ integrations }: Clients, id: string): Promise<Calls> {
  const { ACTIVE, PENDING, DISABLED } = IntegrationState;
  const list = integrations.listIntegrations;
  const [rare, common] = [{ site: '77' }, { team: 'energy' }];
  const pageToken = await nth(10, async (token) => list({ pageToken: token, pageSize: 1000 }));
  return {
    'an integration that nobody has': () => integrations.getIntegration({ id: randomUUID() }).catch(() => {}),
    'an integration': () => integrations.getIntegration({ id }),
    'all integrations': () => list({}),
    'all integrations, page 10,000 on': () => list({ pageToken }),
    'active (two in three)': () => list({ filter: { states: [ACTIVE] } }),
    'pending (one in a hundred)': () => list({ filter: { states: [PENDING] } }),
    'active or disabled': () => list({ filter: { states: [ACTIVE, DISABLED] } }),
    'by a text that few have': () => list({ filter: { text: 'BUILDING 77' } }),
    'by a text that nobody has': () => list({ filter: { text: 'nowhere', states: [ACTIVE] } }),
    'by a type that nobody has': () => list({ filter: { types: [IntegrationType.KAFKA] } }),
    'by the last change': () => list({ orderBy: 'update_time desc' }),
    'disabled, by name': () => list({ filter: { states: [DISABLED] }, orderBy: 'name' }),
    'by a text, by name': () => list({ filter: { text: 'BUILDING 77' }, orderBy: 'name desc' }),
    'by a label of one in 500': () => list({ filter: { labels: rare } }),
    'by a label of one in 500, by name': () => list({ filter: { labels: rare }, orderBy: 'name' }),
    'by a label of one in two': () => list({ filter: { labels: common } }),
    'by both labels and a text': () => list({ filter: { labels: { ...rare, ...common }, text: '7' } }),
    'by a label of one in two and a text of none': () =>
      list({ filter: { labels: common, text: 'nowhere' } }),
    'first of a watch of integrations': () => first(integrations.watchIntegrations, {}),
  };
}

async function callsForEvents({ events }: Clients, integrationId: string): Promise<Calls> {
  const { LIFECYCLE, STATISTICS, ERROR } = EventKind;
  const list = events.listEvents;
  const pageToken = await nth(20, async (token) => list({ pageToken: token, pageSize: 1000 }));
  const before = (hours: number) => timestampFromMs(Date.now() - hours * HOUR);
  const hour = { startTime: before(72), endTime: before(71) };
  return {
    'all events': () => list({}),
    'all events, from 20,000 on': () => list({ pageToken }),
    'all events, 1,000 at a time': () => list({ pageSize: 1000 }),
    'events of an integration': () => list({ filter: { integrationId } }),
    'events of an integration, of a kind': () => list({ filter: { integrationId, kinds: [ERROR] } }),
    'events of a kind (one in a thousand)': () => list({ filter: { kinds: [LIFECYCLE] } }),
    'events of two kinds': () => list({ filter: { kinds: [STATISTICS, ERROR] } }),
    'events of an hour days ago': () => list({ filter: hour }),
    'events of an hour days ago, of a kind': () => list({ filter: { ...hour, kinds: [LIFECYCLE] } }),
    'all events, the oldest first': () => list({ orderBy: 'time' }),
    'events of before all': () => list({ filter: { endTime: before(24 * 30) } }),
  };
}

async function callsForReplays({ replays }: Clients, integrationId: string): Promise<Calls> {
  const list = replays.listReplays;
  const [one] = (await list({})).replays;
  const pageToken = await nth(20, async (token) => list({ pageToken: token, pageSize: 1000 }));
  return {
    'a replay': () => replays.getReplay({ id: one!.id }),
    'all replays': () => list({}),
    'all replays, from 20,000 on': () => list({ pageToken }),
    'all replays, the oldest first': () => list({ orderBy: 'create_time' }),
    'replays of an integration': () => list({ integrationId }),
  };
}

/** The token of the page after so many. */
async function nth(
  pages: number,
  page: (token: string) => Promise<{ nextPageToken: string }>,
): Promise<string> {
  let token = '';
  for (let n = 0; n < pages; n++) token = (await page(token)).nextPageToken;
  return token;
}

async function first<R>(
  watch: (request: R, options: { signal: AbortSignal }) => AsyncIterable<unknown>,
  request: R,
): Promise<void> {
  const over = new AbortController();
  try {
    for await (const _ of watch(request, { signal: over.signal })) return;
  } finally {
    over.abort();
  }
}
