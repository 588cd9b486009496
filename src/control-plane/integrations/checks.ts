import { randomUUID } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { ValidationKind, ValidationRequestSchema } from '../../../gen/penstock/v1/downlink_pb.ts';
import type { Envelope } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { ValidationResponse } from '../../../gen/penstock/v1/uplink_pb.ts';
import { BusError } from '../../bus/bus.ts';
import type { Requester } from '../../bus/request-reply.ts';
import type { Topics } from '../../bus/topics.ts';
import { typeOf } from '../../contract/integration-type.ts';
import type { SealedIntegration } from '../../contract/sealed-secrets.ts';
import type { FieldViolation } from '../../contract/validate.ts';
import { failed, invalidArgument, type RpcError } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import { DeadlineError } from '../../runtime/deadline.ts';

/** What is kept of the caller's time for the answer's way back, in milliseconds. */
const ANSWER_MARGIN = 100;

export interface CheckDeps {
  readonly requester: Pick<Requester, 'replyTopic' | 'request'>;
  readonly topics: Topics;
  /** How long an executor has, in milliseconds; a caller's nearer deadline counts instead. */
  readonly checkTimeout: number;
}

type Call = Pick<CallContext, 'signal' | 'timeoutMs'>;

/**
 * Has an executor agree to the configuration.
 * @throws RpcError INVALID_ARGUMENT it does not; DEADLINE_EXCEEDED there is none; UNAVAILABLE Kafka does not answer
 */
export async function validate(deps: CheckDeps, asked: SealedIntegration, call: Call): Promise<void> {
  const response = await ask(deps, asked, ValidationKind.VALIDATE, call);
  if (response.violations.length > 0) throw invalidArgument(violationsIn(response));
}

/** Has an executor try to reach the external system. Throws as `validate` does, but not for what the executor finds. */
export function checkConnection(
  deps: CheckDeps,
  asked: SealedIntegration,
  call: Call,
): Promise<ValidationResponse> {
  return ask(deps, asked, ValidationKind.CHECK_CONNECTION, call);
}

/**
 * Has an executor deliver an envelope once with the configuration. Throws as `validate` does, but not for what the executor
 * finds; never asked twice.
 */
export function tryDelivery(
  deps: CheckDeps,
  asked: SealedIntegration,
  envelope: Envelope,
  call: Call,
): Promise<ValidationResponse> {
  return ask(deps, asked, ValidationKind.TRY_DELIVERY, call, envelope);
}

/** What the executor found wrong, with the paths of the request. */
export function violationsIn({ violations }: ValidationResponse): FieldViolation[] {
  return violations.map(({ field, description }) => ({
    field: field === '' ? 'integration' : `integration.${field}`,
    description,
    reason: 'REFUSED_BY_EXECUTOR',
  }));
}

async function ask(
  { requester, topics, checkTimeout }: CheckDeps,
  { integration, sealed }: SealedIntegration,
  kind: ValidationKind,
  { signal, timeoutMs }: Call,
  envelope?: Envelope,
): Promise<ValidationResponse> {
  const type = typeOf(integration);
  const requestId = randomUUID();
  const timeToLive = Math.max(
    1,
    Math.min(checkTimeout, (timeoutMs() ?? Number.POSITIVE_INFINITY) - ANSWER_MARGIN),
  );
  const question = create(ValidationRequestSchema, {
    requestId,
    replyTopic: requester.replyTopic,
    timeToLive: durationFromMs(timeToLive),
    integration,
    sealed: [...sealed],
    kind,
    ...(envelope && { envelope }),
  });
  try {
    const value = toBinary(ValidationRequestSchema, question);
    const isRepeatable = kind === ValidationKind.VALIDATE;
    const asked = { requestId, value, timeToLive, isRepeatable };
    return await requester.request(topics.validation(type).name, asked, signal);
  } catch (error) {
    if (envelope && error instanceof BusError && error.reason === 'too-large') throw envelopeTooLarge();
    throw toRpcError(error, type, timeToLive);
  }
}

function toRpcError(error: unknown, type: string, timeToLive: number): unknown {
  if (error instanceof DeadlineError) {
    const text = `no executor answered within ${Math.round(timeToLive)} ms; nothing was saved: start an executor that serves type ${type}, then try again`;
    return failed(Code.DEADLINE_EXCEEDED, 'NO_EXECUTOR', text, { cause: error });
  }
  return kafkaError(error);
}

/** What the caller is told when Kafka does not do what it is asked; other errors as they are. */
export function kafkaError(error: unknown): unknown {
  if (!(error instanceof BusError)) return error;
  if (error.reason === 'too-large') return tooLarge();
  return failed(
    Code.UNAVAILABLE,
    'KAFKA_UNAVAILABLE',
    'Kafka cannot be reached or does not answer: try again',
    {
      cause: error,
    },
  );
}

function envelopeTooLarge(): RpcError {
  const description = 'is too large to be sent to an executor with the configuration: shorten its payload';
  return invalidArgument([{ field: 'envelope.payload', description, reason: 'TOO_LARGE' }]);
}

/** The integration does not fit into one record on Kafka. */
export function tooLarge(): RpcError {
  const description =
    'is too large to be sent to executors: shorten its topic filters, headers, metadata or certificates';
  return invalidArgument([{ field: 'integration', description, reason: 'TOO_LARGE' }]);
}
