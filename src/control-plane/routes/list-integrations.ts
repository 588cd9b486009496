import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  ListIntegrationsRequest,
  ListIntegrationsResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { withinScope } from '../access/scope.ts';
import { loadAnswers } from '../integrations/answer.ts';
import { selectionOf } from '../integrations/integration-filter.ts';
import { inView } from '../integrations/view.ts';
import { orderOf } from '../order-by.ts';
import { listOf, listStartOf, listToken, pageSizeOf } from '../page.ts';
import { OLDEST_FIRST, ORDERS } from '../store/integration-order.ts';
import { integrationPage } from '../store/integration-pages.ts';
import { countNodes } from '../store/integration-states.ts';
import type { RouteDeps } from './deps.ts';

export async function listIntegrationsRoute(
  { db }: RouteDeps,
  { view, ...request }: ListIntegrationsRequest,
  { caller }: Pick<CallContext, 'caller'>,
): Promise<MessageInitShape<typeof ListIntegrationsResponseSchema>> {
  const order = orderOf(request.orderBy, ORDERS, OLDEST_FIRST);
  const list = listOf(request, order, caller.scope);
  const from = listStartOf(list, request.pageToken, order);
  const states = request.filter?.states ?? [];
  const selection = {
    ...withinScope(caller, selectionOf(request.filter)),
    ...(states.length > 0 && { states }),
  };
  if (states.length > 0) await countNodes(db);
  const size = pageSizeOf(request.pageSize);
  const { stored, total, next } = await integrationPage(db, { selection, order, size, from });
  const answers = await loadAnswers(db, stored);
  return {
    // One whose state has changed since is not shown in a list of others.
    integrations: answers
      .filter(({ status }) => states.length === 0 || states.includes(status!.state))
      .map((integration) => inView(integration, view)),
    totalSize: total,
    ...(next && { nextPageToken: listToken(list, next) }),
  };
}
