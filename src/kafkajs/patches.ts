import { endRequestsWithConnections } from './connection-ends.ts';
import { sendPartsAsTheyAre } from './request-parts.ts';
import { stopBusyTimer } from './request-queue.ts';

/** Mends what kafkajs 2.2.4, which is pinned, does wrong or dearly for all of its clients. Once is enough. */
export function patchKafkajs(): void {
  stopBusyTimer();
  endRequestsWithConnections();
  sendPartsAsTheyAre();
}
