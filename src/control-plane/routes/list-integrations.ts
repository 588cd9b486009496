import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type {
  ListIntegrationsRequest,
  ListIntegrationsResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import { loadAnswers } from '../answer.ts';
import { selectionOf } from '../integration-filter.ts';
import { pageSizeOf, pageToken, positionOf } from '../page.ts';
import { countNodes } from '../store/integration-states.ts';
import { countIntegrations, listIntegrations } from '../store/integrations.ts';
import type { RouteDeps } from './deps.ts';

export async function listIntegrationsRoute(
  { db }: RouteDeps,
  request: ListIntegrationsRequest,
): Promise<MessageInitShape<typeof ListIntegrationsResponseSchema>> {
  const states = request.filter?.states ?? [];
  const selection = { ...selectionOf(request.filter), ...(states.length > 0 && { states }) };
  const size = pageSizeOf(request.pageSize);
  const page = { after: positionOf(request.pageToken), limit: size + 1 };
  if (states.length > 0) await countNodes(db);
  const found = await listIntegrations(db, selection, page);
  const isAll = page.after === undefined && found.length <= size; // then there is no need to look at all once more
  const totalSize = isAll ? found.length : await countIntegrations(db, selection);
  const listed = found.slice(0, size);
  const last = found.length > size ? listed.at(-1)?.integration : undefined;
  const answers = await loadAnswers(db, listed);
  return {
    // One whose state has changed since is not shown in a list of others.
    integrations: answers.filter(({ status }) => states.length === 0 || states.includes(status!.state)),
    totalSize,
    ...(last && { nextPageToken: pageToken({ time: timestampDate(last.createTime!), id: last.id }) }),
  };
}
