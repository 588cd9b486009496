/** The kind of a Kafka protocol error, such as UNKNOWN_TOPIC_OR_PARTITION, wherever kafkajs wrapped it. */
export function protocolErrorType(error: unknown): string | undefined {
  for (let e = error; e instanceof Error; e = e.cause) {
    if ('type' in e && typeof e.type === 'string') return e.type;
  }
  return undefined;
}
