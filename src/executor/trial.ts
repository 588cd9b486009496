import { create } from '@bufbuild/protobuf';
import { type DeliveryTrial, DeliveryTrialSchema } from '../../gen/penstock/v1/check_pb.ts';
import { type Envelope, FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { secretsIn } from '../contract/secrets.ts';
import { messageOf } from '../runtime/logger.ts';
import type { Failure, HandlerContext, Outcome } from './handlers/handler.ts';
import type { BoundHandlerType } from './handlers/registry.ts';
import { TrialRecord } from './handlers/trial-record.ts';
import { took } from './took.ts';

/**
 * Delivers the envelope once, by a handler of its own that is gone afterwards.
 * @param context of the integration, with a guard of its own
 */
export async function tryDelivery(
  type: BoundHandlerType,
  { integration, envelope }: { readonly integration: Integration; readonly envelope: Envelope },
  context: HandlerContext,
  signal: AbortSignal,
): Promise<DeliveryTrial> {
  const record = new TrialRecord(secretsIn(IntegrationSchema, integration));
  const began = context.clock.monotonic();
  const outcome = await outcomeOf(type, envelope, { ...context, record }, signal);
  const duration = took(context.clock.monotonic() - began);
  const { sent, answer } = record.told;
  const trial = create(DeliveryTrialSchema, { delivered: outcome.delivered, duration, sent, answer });
  if (!outcome.delivered) {
    trial.failureClass = outcome.failureClass;
    trial.reason = record.withoutSecrets(outcome.reason);
  }
  return trial;
}

async function outcomeOf(
  type: BoundHandlerType,
  envelope: Envelope,
  context: HandlerContext,
  signal: AbortSignal,
): Promise<Outcome> {
  // No message was ever there: an endpoint that knows messages by their ids does not take it for another one.
  const message = { envelope, partition: 0, offset: context.clock.now(), key: null };
  try {
    await using handler = type.create(context);
    await handler.connect(signal);
    const [outcome] = await handler.deliver([message], signal);
    return outcome ?? failure(FailureClass.UNSPECIFIED, 'the handler told nothing');
  } catch (error) {
    const failureClass = signal.aborted ? FailureClass.TIMEOUT : FailureClass.DISCONNECTED;
    return failure(failureClass, messageOf(error));
  }
}

const failure = (failureClass: FailureClass, reason: string): Failure => ({
  delivered: false,
  failureClass,
  reason,
});
