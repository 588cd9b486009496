import type { Bus } from './bus/bus.ts';
import type { KafkaConfig } from './bus/kafka/client.ts';
import { reasonOf } from './bus/kafka/reason.ts';
import { createKafkaBus } from './bus/kafka-bus.ts';
import { kafkaSecurity, kafkaSecurityWarning } from './bus/kafka-security.ts';
import type { Clock } from './runtime/clock.ts';
import type { Logger } from './runtime/logger.ts';
import type { NameResolver } from './runtime/name-resolver.ts';
import type { Settings } from './runtime/settings.ts';
import { UserError } from './runtime/user-error.ts';
import type { Warnings } from './runtime/warnings.ts';

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly resolver: NameResolver;
  readonly warnings: Pick<Warnings, 'set'>;
  random(): number;
}

/**
 * Reaches the Kafka of the settings.
 * @param login how a Kafka of Penstock's own lets it in, which knows no TLS; unset: as the settings say
 * @throws UserError when it cannot be reached
 */
export async function reachKafka(settings: Settings, deps: Deps, login?: KafkaConfig['login']): Promise<Bus> {
  const { logger, warnings } = deps;
  const brokers = settings.TB_KAFKA_SERVERS;
  await using stack = new AsyncDisposableStack();
  const config = {
    brokers,
    clientId: `penstock-${settings.TB_SERVICE_ID}`,
    replication: settings.PENSTOCK_KAFKA_REPLICATION,
    minInsyncReplicas: settings.PENSTOCK_KAFKA_MIN_INSYNC_REPLICAS,
    fetchWait: settings.TB_IE_MSG_POLL_INTERVAL,
    ...(login ? { login } : kafkaSecurity(settings, logger)),
  };
  const bus = stack.use(createKafkaBus(config, deps));
  const warning = login ? undefined : kafkaSecurityWarning(settings, brokers);
  warnings.set('kafka-security', warning);
  if (warning !== undefined) logger.warn(warning);
  try {
    await bus.listTopics();
  } catch (error) {
    const { refusal, text } = reasonOf(error);
    const message = refusal === undefined ? 'start it, or set TB_KAFKA_SERVERS' : text;
    throw new UserError(`cannot reach Kafka at ${brokers.join()}: ${message}`, { cause: error });
  }
  stack.move();
  return bus;
}
