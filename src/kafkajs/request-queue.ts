import { createRequire } from 'node:module';

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

/**
 * kafkajs 2.2.4 arms a timer of one millisecond on every idle connection, for ever. Its request queue needs one only while
 * requests wait for a free place. kafkajs is pinned, and a test says whether this still takes hold.
 */
export function stopBusyTimer(): void {
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as {
    prototype: RequestQueue & { readonly busyTimerStopped?: true };
  };
  if (prototype.busyTimerStopped) return;
  const schedule = prototype.scheduleCheckPendingRequests;
  Object.defineProperty(prototype, 'busyTimerStopped', { value: true });
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0) schedule.call(this);
  };
}
