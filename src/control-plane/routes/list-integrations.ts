import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  ListIntegrationsRequest,
  ListIntegrationsResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import { loadAnswers } from '../integrations/answer.ts';
import { selectionOf } from '../integrations/integration-filter.ts';
import { listStartOf, listToken, pageSizeOf } from '../page.ts';
import { integrationPage } from '../store/integration-pages.ts';
import { countNodes } from '../store/integration-states.ts';
import type { RouteDeps } from './deps.ts';

export async function listIntegrationsRoute(
  { db }: RouteDeps,
  request: ListIntegrationsRequest,
): Promise<MessageInitShape<typeof ListIntegrationsResponseSchema>> {
  const states = request.filter?.states ?? [];
  const selection = { ...selectionOf(request.filter), ...(states.length > 0 && { states }) };
  if (states.length > 0) await countNodes(db);
  const from = listStartOf(request.pageToken);
  const { stored, total, next } = await integrationPage(db, selection, pageSizeOf(request.pageSize), from);
  const answers = await loadAnswers(db, stored);
  return {
    // One whose state has changed since is not shown in a list of others.
    integrations: answers.filter(({ status }) => states.length === 0 || states.includes(status!.state)),
    totalSize: total,
    ...(next && { nextPageToken: listToken(next) }),
  };
}
