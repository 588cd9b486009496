import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import {
  type IntegrationState,
  type IntegrationType,
  IntegrationTypeSchema,
} from '../../../gen/penstock/v1/integration_pb.ts';
import type {
  IntegrationFilter,
  ListIntegrationsRequest,
  ListIntegrationsResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import { TYPES, type Type } from '../../contract/integration-type.ts';
import { loadAnswers } from '../answer.ts';
import { pageSizeOf, pageToken, positionOf } from '../page.ts';
import { statusOf } from '../status.ts';
import type { Queries } from '../store/database.ts';
import { countIntegrations, type IntegrationSelection, listIntegrations } from '../store/integrations.ts';
import { reportsOf } from '../store/reports.ts';
import type { RouteDeps } from './deps.ts';

export async function listIntegrationsRoute(
  { db }: RouteDeps,
  request: ListIntegrationsRequest,
): Promise<MessageInitShape<typeof ListIntegrationsResponseSchema>> {
  const selection = await selectionOf(db, request.filter);
  const size = pageSizeOf(request.pageSize);
  const page = { after: positionOf(request.pageToken), limit: size + 1 };
  const found = await listIntegrations(db, selection, page);
  const shown = found.slice(0, size);
  const last = found.length > size ? shown.at(-1)?.integration : undefined;
  return {
    integrations: await loadAnswers(db, shown),
    totalSize: await countIntegrations(db, selection),
    ...(last && { nextPageToken: pageToken({ time: timestampDate(last.createTime!), id: last.id }) }),
  };
}

async function selectionOf(
  db: Queries,
  filter: IntegrationFilter | undefined,
): Promise<IntegrationSelection> {
  const { types = [], states = [], text = '' } = filter ?? {};
  const selection = {
    ...(types.length > 0 && { types: types.map(typeNamed) }),
    ...(text !== '' && { text }),
  };
  return states.length === 0 ? selection : { ...selection, ids: await idsInStates(db, selection, states) };
}

/** A state is computed, not stored, so that there is one place that says what it is. */
async function idsInStates(
  db: Queries,
  selection: IntegrationSelection,
  states: readonly IntegrationState[],
): Promise<string[]> {
  const all = await listIntegrations(db, selection);
  const reports = await reportsOf(
    db,
    all.map(({ integration }) => integration.id),
  );
  return all.flatMap((stored) => {
    const { id } = stored.integration;
    return states.includes(statusOf(stored, reports(id)).state) ? [id] : [];
  });
}

/** The enum's names are those of the configuration's cases. */
function typeNamed(type: IntegrationType): Type {
  const name = IntegrationTypeSchema.value[type]?.localName.toLowerCase();
  const found = TYPES.find((one) => one.toLowerCase() === name);
  if (found === undefined) throw new Error(`no configuration for type ${name ?? type}`);
  return found;
}
