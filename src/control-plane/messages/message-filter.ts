import type { Envelope } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { MessageFilter } from '../../../gen/penstock/v1/message_log_service_pb.ts';
import { invalidArgument } from '../../rpc/error.ts';
import { matches, topicFilterProblem } from '../../topic-filter/topic-filter.ts';

/** @throws RpcError INVALID_ARGUMENT for what the schema's rules cannot say */
export function requireMessageFilter(filter: MessageFilter | undefined): void {
  const { topicFilter = '' } = filter ?? {};
  const problem = topicFilter === '' ? undefined : topicFilterProblem(topicFilter);
  if (problem === undefined) return;
  throw invalidArgument([{ field: 'filter.topic_filter', description: problem, reason: 'TOPIC_FILTER' }]);
}

/** Whether a message passes, but for its stage; undefined: every one does, and none has to be read for it. */
export function messageTest(
  filter: MessageFilter | undefined,
): ((envelope: Envelope) => boolean) | undefined {
  const { topicFilter = '', clientId = '' } = filter ?? {};
  if (topicFilter === '' && clientId === '') return undefined;
  return (envelope) =>
    (clientId === '' || envelope.clientId === clientId) &&
    (topicFilter === '' || matches(topicFilter, envelope.topicName));
}
