import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  WatchMessagesRequest,
  WatchMessagesResponseSchema,
} from '../../../gen/penstock/v1/message_log_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { findInScope } from '../access/scope.ts';
import { kafkaError } from '../integrations/checks.ts';
import { requireTopic } from '../integrations/guards.ts';
import { requireMessageFilter } from '../messages/message-filter.ts';
import { messagesFromNow } from '../messages/message-watch.ts';
import type { MessageLogDeps } from './deps.ts';

type Answer = MessageInitShape<typeof WatchMessagesResponseSchema>;

export async function* watchMessages(
  deps: MessageLogDeps,
  request: WatchMessagesRequest,
  { caller, signal }: CallContext,
): AsyncGenerator<Answer> {
  requireMessageFilter(request.filter);
  const prove = async () => requireTopic(await findInScope(deps.db, caller, request.integrationId));
  await prove();
  try {
    yield* deps.watches.watch(messagesFromNow(deps, request, prove, signal));
  } catch (error) {
    throw kafkaError(error);
  }
}
