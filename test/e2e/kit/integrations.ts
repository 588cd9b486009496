import { AckStrategy } from '../../../gen/penstock/v1/delivery_pb.ts';
import { IntegrationService } from '../../../gen/penstock/v1/integration_service_pb.ts';
import { MessageService } from '../../../gen/penstock/v1/message_service_pb.ts';
import { PayloadContentType } from '../../../gen/penstock/v1/payload_pb.ts';
import { createClient } from '../../../src/rpc/grpcjs.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

/** Messages of one integration on their way at a time. */
export const MAX_IN_FLIGHT = 64;

const RETRY_ALL = {
  ackStrategy: AckStrategy.RETRY_ALL,
  retries: 0,
  maxInFlight: MAX_IN_FLIGHT,
  pauseBetweenRetries: { nanos: 100_000_000 },
  maxPause: { seconds: 1n },
  packProcessingTimeout: { seconds: 5n },
};

export interface IntegrationOptions {
  readonly maxExecutors: number;
  /** Several messages a request. */
  readonly isBatched: boolean;
  readonly restEndpointUrl: string;
}

/** Makes an integration that sends `load/<name>` to a sink; answers its id. */
export async function createIntegration(
  controlPlane: string,
  name: string,
  { maxExecutors, isBatched, restEndpointUrl }: IntegrationOptions,
): Promise<string> {
  using client = createClient(IntegrationService, controlPlane);
  const batching = isBatched ? { batching: { maxMessages: MAX_IN_FLIGHT } } : {};
  const value = { restEndpointUrl, payloadContentType: PayloadContentType.JSON, ...batching };
  const { integration } = await client.createIntegration(
    {
      integration: {
        name,
        enabled: true,
        topicFilters: [`load/${name}`],
        configuration: { case: 'http', value },
        delivery: { ...RETRY_ALL, maxExecutors },
      },
    },
    { deadline: 25_000 },
  );
  return integration!.id;
}

/** Probes with a negative number, which nobody counts, until ingress knows the filters of these. */
export async function areMatched(ingress: string, names: Iterable<string>): Promise<void> {
  using messages = createClient(MessageService, ingress);
  const payload = Buffer.from(JSON.stringify({ client: 'probe', n: -1 }));
  for (const name of names) {
    await waitUntil(`ingress knows the filter of ${name}`, async () => {
      const { matchedIntegrations } = await messages.publishMessage({ topicName: `load/${name}`, payload });
      return matchedIntegrations > 0;
    });
  }
}
