import { createRequire } from 'node:module';
import kafkajs from 'kafkajs';

interface Connection {
  readonly broker: string;
  disconnect(): Promise<boolean>;
  rejectRequests(error: Error): void;
}

/**
 * kafkajs 2.2.4 takes a request also while it closes a connection, and one that comes between its last look and the end has
 * nobody that answers it, or lets it time out. When it is a login, it keeps the node's lock for ever, and nothing connects to
 * the node any more. Here it fails with the connection. kafkajs is pinned, and a test says whether this still takes hold.
 */
export function endRequestsWithConnections(): void {
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/connection') as {
    prototype: Connection & { readonly endsRequests?: true };
  };
  if (prototype.endsRequests) return;
  const { disconnect } = prototype;
  Object.defineProperty(prototype, 'endsRequests', { value: true });
  prototype.disconnect = async function (this: Connection) {
    const isClosed = await disconnect.call(this);
    this.rejectRequests(new kafkajs.KafkaJSConnectionError('Closed connection', { broker: this.broker }));
    return isClosed;
  };
}
