import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Envelope, EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import type { HttpConfiguration, HttpConfigurationSchema } from '../../gen/penstock/v1/http_pb.ts';
import type { Failure, Handler, HandlerContext, Outbound } from '../../src/executor/handlers/handler.ts';
import { createTargetGuard } from '../../src/runtime/target-guard.ts';
import { bound, connected, contextOf, never } from './handler.ts';
import { type HttpEndpoint, httpEndpoint } from './http-endpoint.ts';

export type HttpConfig = Exclude<MessageInitShape<typeof HttpConfigurationSchema>, HttpConfiguration>;

/** An endpoint and a connected handler that delivers to it. */
export async function deliverTo(
  t: TestContext,
  config: (url: string) => HttpConfig,
  context?: Partial<HandlerContext>,
) {
  const endpoint = await httpEndpoint(t);
  const handler = await httpHandler(t, config(endpoint.url), context);
  return { endpoint, handler };
}

export const httpHandler = (t: TestContext, value: HttpConfig, context?: Partial<HandlerContext>) =>
  connected(t, { case: 'http', value }, context);

/** A message with this payload, and what else is wanted of it. */
export function message(
  payload: string | Uint8Array,
  init: MessageInitShape<typeof EnvelopeSchema> = {},
  offset = 0,
  key: string | null = null,
): Outbound {
  const envelope: Envelope = create(EnvelopeSchema, {
    topicName: 'a/b',
    clientId: 'c',
    payload: Buffer.from(payload),
    ...init,
  });
  return { envelope, partition: 0, offset, key };
}

/** What becomes of one message. */
export async function deliverOne(handler: Handler, one: Outbound, signal = never) {
  const [outcome] = await handler.deliver([one], signal);
  assert.ok(outcome);
  return outcome;
}

/** Of one message that is not delivered. */
export async function failureOf(handler: Handler, one = message('hello')): Promise<Failure> {
  const outcome = await deliverOne(handler, one);
  assert.ok(!outcome.delivered);
  return outcome;
}

export const bodies = ({ received }: HttpEndpoint) => received.map(({ body }) => body.toString());

export const check = (value: HttpConfig, signal = never, context?: Partial<HandlerContext>) =>
  bound({ case: 'http', value }).check(contextOf(context), signal);

/** The fields that are wrong with a configuration, with what is said about each. */
export function problems(value: HttpConfig, guard = createTargetGuard(true)): [string, string][] {
  return bound({ case: 'http', value })
    .validate(guard)
    .map(({ field, description }) => [field, description]);
}
