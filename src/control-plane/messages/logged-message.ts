import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Envelope } from '../../../gen/penstock/v1/envelope_pb.ts';
import { type LoggedMessage, LoggedMessageSchema } from '../../../gen/penstock/v1/message_log_service_pb.ts';
import { textMemory } from '../../contract/message-memory.ts';

/** Names a message within its integration. */
export const messageId = (partition: number, offset: number | bigint): string => `${partition}-${offset}`;

/** The place that an id names, whatever zeros it begins with. */
export function placeOf(id: string): { readonly partition: number; readonly offset: number } {
  const [partition = 0, offset = 0] = id.split('-').map(Number);
  return { partition, offset };
}

/**
 * A message as it is told. It keeps nothing of the buffer that the envelope was read from.
 * @param timestamp of its record; undefined: not known
 * @param maxBytes of its payload
 */
export function loggedMessage(
  { partition, offset, timestamp }: { partition: number; offset: number; timestamp: number | undefined },
  envelope: Envelope,
  maxBytes: number,
): LoggedMessage {
  const { payload, correlationData, id, $unknown: _, ...known } = envelope;
  return create(LoggedMessageSchema, {
    id: messageId(partition, offset),
    partition,
    offset: BigInt(offset),
    ...(timestamp !== undefined && { storedTime: timestampFromMs(timestamp) }),
    envelope: {
      ...known,
      payload: payload.slice(0, maxBytes),
      id: id.slice(),
      ...(correlationData && { correlationData: correlationData.slice() }),
    },
    payloadSize: payload.length,
  });
}

/** What it takes of memory, and about what it takes to send. */
export function bytesOf({ envelope }: LoggedMessage): number {
  const { payload, correlationData } = envelope!;
  return 300 + textMemory(envelope!) + payload.length + (correlationData?.length ?? 0);
}
