import { Code } from '../../../gen/google/rpc/code_pb.ts';
import type { MessageService, PublishMessageRequest } from '../../../gen/penstock/v1/message_service_pb.ts';
import { BusError, type Waiting } from '../../bus/bus.ts';
import { uuidBytes } from '../../contract/uuid.ts';
import { failed } from '../../rpc/error.ts';
import type { MethodHandler } from '../../rpc/service.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { TakeIn } from '../fan-out.ts';

interface Deps {
  readonly takeIn: TakeIn;
  /** What waits for Kafka. */
  readonly waiting: Waiting;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const DEFAULT_CLIENT_ID = 'grpc';

export function publishMessage({
  takeIn,
  waiting,
  logger,
  metrics,
}: Deps): MethodHandler<typeof MessageService.method.publishMessage> {
  const count = (result: string) => metrics.takenIn.inc({ protocol: 'grpc', result });
  return async (request: PublishMessageRequest) => {
    try {
      // MQTT clients are made to wait, callers are told: a call that waits is not a message that is taken in.
      if (waiting.isFull) throw new BusError('full', 'too much waits for Kafka');
      const matchedIntegrations = await takeIn({
        ...request,
        clientId: request.clientId || DEFAULT_CLIENT_ID,
        id: request.id === '' ? undefined : uuidBytes(request.id),
      });
      count(matchedIntegrations === 0 ? 'unmatched' : 'stored');
      return { matchedIntegrations };
    } catch (error) {
      count('failed');
      logger.warn('a message was not taken in', { error: messageOf(error) });
      throw refusal(error);
    }
  };
}

function refusal(error: unknown) {
  const reason = error instanceof BusError ? error.reason : 'failed';
  const cause = { cause: error };
  if (reason === 'full') {
    return failed(
      Code.RESOURCE_EXHAUSTED,
      'TOO_MUCH_WAITING',
      'too much waits for Kafka: send it again later',
      cause,
    );
  }
  if (reason === 'too-large') {
    return failed(
      Code.RESOURCE_EXHAUSTED,
      'TOO_LARGE',
      'the message is too large: send a smaller one',
      cause,
    );
  }
  return failed(
    Code.UNAVAILABLE,
    'NOT_STORED',
    'Kafka did not take the message in time: send it again',
    cause,
  );
}
