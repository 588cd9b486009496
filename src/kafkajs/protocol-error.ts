import { createRequire } from 'node:module';

const { createErrorFromCode } = createRequire(import.meta.url)('kafkajs/src/protocol/error') as {
  createErrorFromCode(code: number): Error;
};

/** The error of kafkajs for one of Kafka's numbers. */
export const protocolError = (code: number): Error => createErrorFromCode(code);

/** The kind of a Kafka protocol error, such as UNKNOWN_TOPIC_OR_PARTITION, wherever kafkajs wrapped it. */
export function protocolErrorType(error: unknown): string | undefined {
  for (let e = error; e instanceof Error; e = e.cause) {
    if ('type' in e && typeof e.type === 'string') return e.type;
  }
  return undefined;
}
