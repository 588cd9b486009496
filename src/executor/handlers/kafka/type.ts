import { WORTH_A_REQUEST } from '../../../kafkajs/outgoing.ts';
import type { HandlerType } from '../handler.ts';
import { check, fieldOf } from './check.ts';
import { KafkaHandler } from './kafka-handler.ts';
import { optionsOf } from './resolve-options.ts';
import { validate } from './validate.ts';

/** Kafka clusters: the messages of a pack go in one request to each broker. */
export const kafka: HandlerType<'kafka'> = {
  pack(config) {
    const { bufferBytes, linger } = optionsOf(config);
    return { maxMessages: WORTH_A_REQUEST, maxBytes: bufferBytes, maxWait: linger, runs: 'within' };
  },
  validate,
  check,
  fieldOf,
  create: (config, context) => new KafkaHandler(config, context),
};
