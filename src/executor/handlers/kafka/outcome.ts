import { FailureClass } from '../../../../gen/penstock/v1/envelope_pb.ts';
import { protocolErrorType } from '../../../kafkajs/protocol-error.ts';
import type { Failure } from '../handler.ts';
import { DisconnectedError, reasonOf, rootOf } from './reason.ts';

const { UNAVAILABLE, DISCONNECTED, TIMEOUT, THROTTLED, REJECTED, TOO_LARGE } = FailureClass;

/** What errors mean for a record, by the types of the protocol and the names of kafkajs's own. Any other may pass. */
const CLASSES: Readonly<Record<string, FailureClass>> = {
  MESSAGE_TOO_LARGE: TOO_LARGE,
  RECORD_LIST_TOO_LARGE: TOO_LARGE,
  INVALID_RECORD: REJECTED,
  INVALID_TIMESTAMP: REJECTED,
  INVALID_TOPIC_EXCEPTION: REJECTED,
  REQUEST_TIMED_OUT: TIMEOUT,
  NETWORK_EXCEPTION: DISCONNECTED,
  THROTTLING_QUOTA_EXCEEDED: THROTTLED,
  KafkaJSConnectionError: DISCONNECTED,
  KafkaJSConnectionClosedError: DISCONNECTED,
  KafkaJSRequestTimeoutError: TIMEOUT,
  KafkaJSLockTimeout: TIMEOUT,
  DisconnectedError: DISCONNECTED,
  DeadlineError: TIMEOUT,
};

function classOf(error: unknown): FailureClass {
  const root = rootOf(error);
  const name = protocolErrorType(error) ?? (root instanceof Error ? root.name : '');
  return CLASSES[name] ?? UNAVAILABLE;
}

/** What a failed try means for its records. */
export const failureOf = (error: unknown, topic: string): Failure => ({
  delivered: false,
  failureClass: classOf(error),
  reason: reasonOf(error, topic),
  ...(isCut(error) && { cut: CUT }),
});

/** Any number of records may be on one connection; that a broker ends it says nothing of them. */
const CUT = { isShared: true, isForOne: 'no' } as const;

function isCut(error: unknown): boolean {
  const root = rootOf(error);
  return root instanceof DisconnectedError && root.wasOpen;
}

/** Refused before anything was written: the same for every partition. */
const WHOLLY: ReadonlySet<string> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'INVALID_TOPIC_EXCEPTION',
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_COMPRESSION_TYPE',
]);

export const isWhollyRefused = (error: unknown) => WHOLLY.has(protocolErrorType(error) ?? '');

/** Whether the records themselves are at fault, or one of them: it is surely not written, and never will be. */
export const isAboutRecords = (error: unknown) => [TOO_LARGE, REJECTED].some((one) => one === classOf(error));
