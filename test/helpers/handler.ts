import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { uuidOfName } from '../../src/contract/uuid.ts';
import type { Failure, HandlerContext, Outbound, Outcome } from '../../src/executor/handlers/handler.ts';
import { handlerTypeOf } from '../../src/executor/handlers/registry.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createTargetGuard } from '../../src/runtime/target-guard.ts';
import { onEnd } from './on-end.ts';
import type { Configuration } from './peer.ts';

/** The handler type of a configuration, bound to it. */
export function bound(configuration: Configuration) {
  const type = handlerTypeOf(create(IntegrationSchema, { configuration }));
  assert.ok(type, `there is no handler for ${configuration.case}`);
  return type;
}

export const contextOf = (context: Partial<HandlerContext> = {}): HandlerContext => ({
  integrationId: '5f0c3ad2-8df0-4fc1-a8a5-1c3f8ab7cf55',
  integrationName: 'an integration',
  metadata: {},
  serviceId: 'ie-0',
  shard: 0,
  shards: 1,
  topicIncarnation: 1,
  uuidOfName,
  maxInFlight: 64,
  maxConnections: 1000,
  maxRetryAfter: 3_600_000,
  guard: createTargetGuard(true),
  missing: { rule: 'fail', value: '' },
  clock: systemClock,
  random: Math.random,
  ...context,
});

/** A connected handler, disposed after the test. */
export async function connected(
  t: TestContext,
  configuration: Configuration,
  context?: Partial<HandlerContext>,
) {
  const handler = bound(configuration).create(contextOf(context));
  onEnd(t, () => handler[Symbol.asyncDispose]());
  await handler.connect(never);
  return handler;
}

/** A signal that never aborts. */
export const never = new AbortController().signal;

export function outbound(payload: string, offset = 0, clientId = 'c'): Outbound {
  const envelope = create(EnvelopeSchema, { topicName: 'a/b', clientId, payload: Buffer.from(payload) });
  return { envelope, partition: 0, offset, key: clientId };
}

/** Why a message was not delivered, once a handler has tried; fails when it was. */
export function failureOf(outcome: Outcome | undefined): Failure {
  assert.ok(outcome && !outcome.delivered, 'the message was delivered');
  return outcome;
}
