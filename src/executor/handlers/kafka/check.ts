import type { KafkaConfiguration } from '../../../../gen/penstock/v1/kafka_pb.ts';
import { topicOf } from '../../../contract/kafka-record.ts';
import { protocolErrorType } from '../../../kafkajs/protocol-error.ts';
import { refusalOf, toldBy } from '../../../kafkajs/refusal.ts';
import { withDeadline } from '../../../runtime/deadline.ts';
import type { CheckResult, ConnectionFault, HandlerContext } from '../handler.ts';
import { createClient } from './client.ts';
import { DisconnectedError, reasonOf, rootOf } from './reason.ts';
import { optionsOf } from './resolve-options.ts';
import { authenticationOf } from './sasl.ts';
import { Sockets } from './sockets.ts';

/** Above any real wait: the signal is the deadline. */
const CHECK_DEADLINE = 60_000;

/** Reaches the cluster as a producer does, and asks for the topic. A topic that is missing is no refusal: it may come. */
export async function check(
  config: KafkaConfiguration,
  context: HandlerContext,
  signal: AbortSignal,
): Promise<CheckResult> {
  const options = optionsOf(config);
  const topic = topicOf(config);
  const isAuthenticated = config.sasl !== undefined;
  const sockets = new Sockets(options, context);
  using authentication = authenticationOf(config, context, signal);
  const admin = createClient(config, { context, options, authentication, sockets }).admin();
  const partitions = async () => {
    await admin.connect();
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]?.partitions.length ?? 0;
  };
  try {
    const count = await withDeadline(context.clock, CHECK_DEADLINE, 'the cluster', partitions(), signal);
    const partitionsThere = count === 1 ? 'one partition' : `${count} partitions`;
    return {
      reachable: true,
      message: `the cluster was reached; topic ${topic} has ${partitionsThere}`,
      isAuthenticated,
    };
  } catch (error) {
    if (protocolErrorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION') {
      const message = `the cluster was reached, but topic ${topic} does not exist, or these credentials may not see it`;
      return {
        reachable: true,
        message: `${message}: create it before messages come`,
        field: 'topic',
        isAuthenticated,
      };
    }
    const message = `the cluster was not reached: ${reasonOf(error, topic)}`;
    return { reachable: false, message, ...placeOf(error) };
  } finally {
    sockets.close(new DisconnectedError('the check is over'));
    admin.disconnect().catch(() => {});
  }
}

/** The field that says where a connection goes, or how it is secured. */
export const fieldOf = (_: KafkaConfiguration, { step }: ConnectionFault): string =>
  step === 'TLS' ? 'tls' : 'bootstrap_servers';

/** Where the fault is, of a connection that was made. */
function placeOf(error: unknown): Pick<CheckResult, 'fault' | 'field'> {
  const type = protocolErrorType(error);
  if (type === 'TOPIC_AUTHORIZATION_FAILED') return { fault: 'authentication', field: 'topic' };
  switch (refusalOf(type, toldBy(rootOf(error)))) {
    case 'credentials':
    case 'mechanism':
    case 'no-credentials':
      return { fault: 'authentication', field: 'sasl' };
    case 'untrusted':
    case 'certificate-wanted':
    case 'no-tls':
      return { field: 'tls' };
    case 'closed':
      return { fault: 'protocol' };
    default:
      return {};
  }
}
