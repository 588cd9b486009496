import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { Integration } from '../../../gen/penstock/v1/integration_pb.ts';
import type {
  IntegrationFilter,
  ListIntegrationsRequest,
  ListIntegrationsResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import { answerOf, loadAnswers, loadSnapshot } from '../answer.ts';
import { selectionOf } from '../integration-filter.ts';
import { pageSizeOf, pageToken, positionOf } from '../page.ts';
import { statusOf } from '../status.ts';
import type { Queries } from '../store/database.ts';
import {
  countIntegrations,
  listIntegrations,
  type Position,
  type StoredIntegration,
} from '../store/integrations.ts';
import type { RouteDeps } from './deps.ts';

interface Page {
  readonly after: Position | undefined;
  readonly limit: number;
}

interface Found {
  readonly integrations: readonly Integration[];
  /** How many there are in all. */
  readonly total: number;
}

export async function listIntegrationsRoute(
  { db }: RouteDeps,
  request: ListIntegrationsRequest,
): Promise<MessageInitShape<typeof ListIntegrationsResponseSchema>> {
  const { filter } = request;
  const size = pageSizeOf(request.pageSize);
  const page = { after: positionOf(request.pageToken), limit: size + 1 };
  const list =
    filter && filter.states.length > 0 ? listInStates(db, filter, page) : listAll(db, filter, page);
  const { integrations: found, total } = await list;
  const integrations = found.slice(0, size);
  const last = found.length > size ? integrations.at(-1) : undefined;
  return {
    integrations,
    totalSize: total,
    ...(last && { nextPageToken: pageToken({ time: timestampDate(last.createTime!), id: last.id }) }),
  };
}

async function listAll(db: Queries, filter: IntegrationFilter | undefined, page: Page): Promise<Found> {
  const selection = selectionOf(filter);
  const integrations = await loadAnswers(db, await listIntegrations(db, selection, page));
  return { integrations, total: await countIntegrations(db, selection) };
}

/** A state is computed, not stored, so that there is one place that says what it is; and shown as it was computed here. */
async function listInStates(db: Queries, filter: IntegrationFilter, { after, limit }: Page): Promise<Found> {
  const all = await listIntegrations(db, selectionOf(filter));
  const { reports, cluster } = await loadSnapshot(db, all);
  const matching = all.filter((stored) =>
    filter.states.includes(statusOf(stored, reports(stored.integration.id), cluster).state),
  );
  const integrations = matching
    .filter((stored) => isAfter(stored, after))
    .slice(0, limit)
    .map((stored) => answerOf(stored, reports(stored.integration.id), cluster));
  return { integrations, total: matching.length };
}

/** The order of lists: by time of creation, then by id. */
function isAfter({ integration }: StoredIntegration, position: Position | undefined): boolean {
  if (!position) return true;
  const ms = timestampDate(integration.createTime!).getTime() - position.time.getTime();
  return ms > 0 || (ms === 0 && integration.id > position.id);
}
