import type { TestContext } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { answer, hang, httpEndpoint } from './http-endpoint.ts';

/** A real external system, with what all of them have in common. */
export interface Peer {
  /** A configuration that delivers payloads to it as they are. */
  readonly configuration: NonNullable<MessageInitShape<typeof IntegrationSchema>['configuration']>;
  /** The payloads it got, in their order. */
  payloads(): readonly string[];
  /** Connections that are open. */
  connections(): number;
  /** From now on it takes messages and answers none of them; or does so again, and answers. */
  hang(hanging: boolean): void;
  /** It is gone, with all its connections; and back at the same address. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

async function http(t: TestContext): Promise<Peer> {
  const endpoint = await httpEndpoint(t);
  return {
    configuration: { case: 'http', value: { restEndpointUrl: endpoint.url, sendOnlyMsgPayload: true } },
    payloads: () => endpoint.received.map(({ body }) => body.toString()),
    connections: () => endpoint.sockets.size,
    hang(hanging) {
      endpoint.respond = hanging ? hang : answer(200);
    },
    stop: () => endpoint.stop(),
    start: () => endpoint.start(),
  };
}

/** How to start a peer of each type; it is stopped after the test. */
export const PEERS = { http };
