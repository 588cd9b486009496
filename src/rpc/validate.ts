import { create, type DescMessage, type Message } from '@bufbuild/protobuf';
import { violationsOf } from '../contract/validate.ts';
import { invalidArgument } from './error.ts';
import { type RpcService, wrapHandlers } from './service.ts';

/** The service with handlers that only see requests which keep the schema's rules. */
export function validated(service: RpcService): RpcService {
  return wrapHandlers(service, (method, handler) => {
    const streamsIn = method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming';
    if (streamsIn) {
      return (requests: AsyncIterable<Message>, context) =>
        handler(eachValid(method.input, requests) as never, context);
    }
    return (request: Message, context) => {
      assertValid(method.input, request);
      return handler(request as never, context);
    };
  });
}

/** Compiles the rules of every request, so that no caller waits for it. */
export function warmUp(services: readonly RpcService[]): void {
  for (const { service } of services) {
    for (const { input } of service.methods) violationsOf(input, create(input));
  }
}

async function* eachValid(schema: DescMessage, requests: AsyncIterable<Message>): AsyncIterable<Message> {
  for await (const request of requests) {
    assertValid(schema, request);
    yield request;
  }
}

function assertValid(schema: DescMessage, message: Message): void {
  const violations = violationsOf(schema, message);
  if (violations.length > 0) throw invalidArgument(violations);
}
