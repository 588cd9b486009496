import { create, toBinary } from '@bufbuild/protobuf';
import { durationMs } from '@bufbuild/protobuf/wkt';
import type { DeliveryTrial } from '../../gen/penstock/v1/check_pb.ts';
import { ValidationKind, type ValidationRequest } from '../../gen/penstock/v1/downlink_pb.ts';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { ValidationResponseSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import type { Bus } from '../bus/bus.ts';
import { decoder } from '../bus/codec.ts';
import { GroupReader } from '../bus/group-reader.ts';
import type { Topics } from '../bus/topics.ts';
import { type Type, typeOf } from '../contract/integration-type.ts';
import { missingRule } from '../contract/template.ts';
import { uuidOfName } from '../contract/uuid.ts';
import { type FieldViolation, violationsOf } from '../contract/validate.ts';
import type { Clock } from '../runtime/clock.ts';
import { timeoutSignal } from '../runtime/deadline.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { TargetGuard } from '../runtime/target-guard.ts';
import type { ExecutorConfig } from './config.ts';
import type { Step } from './connection-steps.ts';
import type { HandlerContext } from './handlers/handler.ts';
import { type BoundHandlerType, handlerTypeOf } from './handlers/registry.ts';
import { type Reached, reach } from './reach.ts';
import { readable, type SecretDeps } from './secrets/readable.ts';
import { took } from './took.ts';
import { tryDelivery } from './trial.ts';

/** Checks at a time; more are answered with a refusal instead of waiting. */
const MAX_CHECKS = 64;
/** What is kept of an asker's time for the ways there and back, in milliseconds. */
const TRAVEL_TIME = 1000;
/** So far the clock of who asks may be behind Kafka's, in milliseconds. */
const CLOCK_ERROR = 60_000;

interface Deps extends Pick<SecretDeps, 'secretKeys'> {
  readonly config: ExecutorConfig;
  readonly bus: Bus;
  readonly topics: Topics;
  /** For one integration. */
  newGuard(): TargetGuard;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly logger: Logger;
  random(): number;
}

type Verdict = Pick<Reached, 'reachable' | 'message'> &
  Partial<Reached> & {
    readonly violations: readonly FieldViolation[];
    readonly trial?: DeliveryTrial;
  };

/** Answers the control plane's questions about configurations of these types, several at once, until the signal comes. */
export function answerChecks(types: readonly Type[], deps: Deps, signal: AbortSignal): GroupReader {
  const { topics, logger } = deps;
  const validation = types.map((type) => topics.validation(type));
  // A configuration that breaks the rules gets an answer like any other that cannot work.
  const decode = decoder(topics.validation('').schema, deps, (field) => !field.startsWith('integration.'));
  let running = 0;

  const answer = async (request: ValidationRequest, askTime: number) => {
    running++;
    try {
      const verdict = running > MAX_CHECKS ? BUSY : await judge(request, askTime, deps, signal);
      await reply(request, verdict, deps);
    } catch (error) {
      logger.warn('a validation request was not answered', { error: messageOf(error) });
    } finally {
      running--;
    }
  };
  return new GroupReader(
    {
      groupId: topics.group('executor.validation'),
      topics: validation.map(({ name }) => name),
      // Committed before they are answered: a question that is lost with its executor is asked again by whoever asked it.
      async eachBatch({ records }) {
        for (const record of records) {
          const request = decode(record);
          if (request) void answer(request, record.timestamp);
        }
      },
    },
    deps,
  );
}

async function judge(
  request: ValidationRequest,
  askTime: number,
  deps: Deps,
  signal: AbortSignal,
): Promise<Verdict> {
  const { integration: given, sealed } = request;
  const { secretSources } = deps.config;
  const asked = { integration: given!, sealed }; // required by the schema
  const timeToLive = durationMs(request.timeToLive!);
  const time = checkTime(timeToLive);
  using deadline = timeoutSignal(deps.clock, time, 'the external system', signal);
  const secrets = await readable(asked, { ...deps, secretSources }, deadline.signal);
  const { integration, violations: unreadable } = secrets;
  const type = handlerTypeOf(integration);
  if (!type) return { ...AGREED, violations: [NO_HANDLER] };
  if (unreadable.length > 0) return { ...AGREED, violations: unreadable };
  const violations = [
    ...violationsOf(IntegrationSchema, integration),
    ...ownViolations(integration, type, deps),
  ];
  if (violations.length > 0) return { ...AGREED, violations };
  if (request.kind === ValidationKind.VALIDATE) return AGREED;
  // A group that has committed nothing yet reads what was asked minutes ago: nobody waits for that to be tried.
  if (deps.clock.now() - askTime > timeToLive + CLOCK_ERROR) return LATE;
  if (request.kind === ValidationKind.CHECK_CONNECTION) {
    const reached = await reach(type, contextOf(integration, deps), typeOf(integration), deadline.signal);
    return { ...reached, violations: [] };
  }
  const envelope = request.envelope!; // required by the schema
  const trial = await tryDelivery(
    type,
    { integration, envelope },
    contextOf(integration, deps),
    deadline.signal,
  );
  deps.metrics.trials.inc({ result: trial.delivered ? 'delivered' : 'failed' });
  return { ...AGREED, trial };
}

/** The time for a check out of the time that the asker waits: the question and the answer have to travel, too. */
const checkTime = (timeToLive: number) => Math.max(timeToLive / 2, timeToLive - TRAVEL_TIME);

function ownViolations(
  integration: Integration,
  type: BoundHandlerType,
  { newGuard }: Deps,
): readonly FieldViolation[] {
  const prefix = typeOf(integration);
  return type
    .validate(newGuard())
    .map((one) => ({ ...one, field: one.field === '' ? prefix : `${prefix}.${one.field}` }));
}

function contextOf(integration: Integration, { config, newGuard, clock, random }: Deps): HandlerContext {
  return {
    integrationId: integration.id,
    integrationName: integration.name,
    metadata: integration.metadata,
    serviceId: config.serviceId,
    shard: 0,
    shards: 1,
    topicIncarnation: 1,
    maxInFlight: 1,
    maxConnections: 1,
    maxRetryAfter: config.maxRetryAfter,
    guard: newGuard(),
    missing: missingRule(integration.templates),
    uuidOfName,
    clock,
    random,
  };
}

async function reply(request: ValidationRequest, verdict: Verdict, { bus, config }: Deps): Promise<void> {
  const response = create(ValidationResponseSchema, {
    requestId: request.requestId,
    serviceId: config.serviceId,
    reachable: verdict.reachable,
    message: verdict.message,
    violations: verdict.violations.map(({ field, description }) => ({ field, description })),
    steps: (verdict.steps ?? []).map(stepOf),
    field: verdict.field ?? '',
    ...(verdict.trial && { trial: verdict.trial }),
  });
  const value = toBinary(ValidationResponseSchema, response);
  await bus.send(request.replyTopic, { key: request.requestId, value });
}

const stepOf = ({ duration, ...step }: Step) => ({
  ...step,
  ...(duration !== undefined && { duration: took(duration) }),
});

const AGREED: Verdict = { reachable: false, message: '', violations: [] };
const NO_HANDLER: FieldViolation = {
  field: '',
  description: 'this executor has no handler for the type: upgrade it',
  reason: 'UNSUPPORTED_TYPE',
};
/** Also told to who waits still: then its clock is wrong. */
const LATE: Verdict = {
  reachable: false,
  message: '',
  violations: [
    {
      field: '',
      description: `the question came over ${CLOCK_ERROR / 1000} seconds too late: set the clock of the control plane right, then try again`,
      reason: 'LATE',
    },
  ],
};
const BUSY: Verdict = {
  reachable: false,
  message: '',
  violations: [
    {
      field: '',
      description: `the executor is busy with ${MAX_CHECKS} checks: try again later`,
      reason: 'BUSY',
    },
  ],
};
