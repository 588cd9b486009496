import { topicFilterProblem, topicNameProblem } from '../../topic-filter/topic-filter.ts';
import { MqttError, ReasonCode } from './protocol.ts';

/** @throws MqttError when it is empty or has a wildcard. `what`: which topic name it is */
export function checkTopicName(topicName: string, what = 'topic name'): void {
  const problem = topicNameProblem(topicName);
  if (problem !== undefined) throw new MqttError(ReasonCode.TOPIC_NAME_INVALID, `${what}: ${problem}`);
}

/** @throws MqttError when it is empty or has a wildcard where none may stand */
export function checkTopicFilter(filter: string): void {
  const problem = topicFilterProblem(filter);
  if (problem !== undefined) throw new MqttError(ReasonCode.TOPIC_FILTER_INVALID, `topic filter: ${problem}`);
}
