import { timestampMs } from '@bufbuild/protobuf/wkt';
import { NodeRole } from '../../../gen/penstock/v1/cluster_service_pb.ts';
import type { Integration } from '../../../gen/penstock/v1/integration_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { KnownNode } from '../status/cluster.ts';
import type { Database } from '../store/database.ts';
import { filtersOf } from '../store/ingress-filters.ts';
import { isPublished } from '../store/message-topics.ts';
import { loadCluster } from '../store/nodes.ts';

interface Deps {
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long to wait for a record to be published, and then for the ingress nodes, in milliseconds. */
const PUBLISHING = 10_000;
const HEARING = 2000;
/** What is kept of the caller's time for the answer's way back, in milliseconds. */
const ANSWER_MARGIN = 200;
const FIRST_PAUSE = 20;
const MAX_PAUSE = 200;

/**
 * How long to wait for something after the integration was saved: a caller whose deadline is near is told before it, for
 * afterwards it would not know that it was saved.
 */
const timeFor = (time: number, { timeoutMs }: Pick<CallContext, 'timeoutMs'>) =>
  Math.min(time, (timeoutMs() ?? Number.POSITIVE_INFINITY) - ANSWER_MARGIN);

/** False: Kafka does not have the downlink records of this generation after some seconds. */
export function untilPublished(
  { db, clock }: Deps,
  { id, generation }: Pick<Integration, 'id' | 'generation'>,
  call: Pick<CallContext, 'timeoutMs'>,
): Promise<boolean> {
  return isSoon(clock, timeFor(PUBLISHING, call), () => isPublished(db, id, generation));
}

/**
 * Resolves when every ingress that runs takes messages in by the topic filters of this generation, so that nothing that is
 * published from then on misses the integration. False: not every one has said so after 2 seconds, or when the caller's time is
 * over. What was saved is saved, and an ingress that has just died says nothing.
 */
export async function untilReceiving(
  { db, clock, logger }: Deps,
  integration: Integration,
  call: Pick<CallContext, 'timeoutMs'>,
): Promise<boolean> {
  const { id } = integration;
  const isReceiving = async () => {
    const [cluster, filters] = await Promise.all([loadCluster(db), filtersOf(db, id)]);
    return [...cluster.values()]
      .filter(({ isLiving, report }) => isLiving && report.roles.includes(NodeRole.INGRESS))
      .every((node) => knows(node, filters.get(node.serviceId), integration));
  };
  try {
    if (await isSoon(clock, timeFor(HEARING, call), isReceiving)) return true;
    logger.warn('not every ingress says that it takes messages in for an integration', { integration: id });
  } catch (error) {
    const why = messageOf(error);
    logger.warn('whether ingress takes messages in for an integration is not known', {
      integration: id,
      why,
    });
  }
  return false;
}

/** An ingress says what it hears after its start; before that it has read all that there was. */
function knows({ startTime }: KnownNode, told: bigint | undefined, integration: Integration): boolean {
  if (told !== undefined) return told >= integration.generation;
  const { updateTime } = integration;
  return updateTime !== undefined && startTime.getTime() > timestampMs(updateTime);
}

/** Looks again and again, for so many milliseconds. */
async function isSoon(clock: Clock, time: number, look: () => Promise<boolean>): Promise<boolean> {
  const end = clock.monotonic() + time;
  for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, MAX_PAUSE)) {
    if (await look()) return true;
    if (clock.monotonic() > end) return false;
    await clock.sleep(pause);
  }
}
