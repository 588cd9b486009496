import { connect } from 'node:net';

const METADATA = 3;
const VERSION = 2;
const MAX_ANSWER_BYTES = 65_536;

/**
 * Asks the broker for its cluster's id. It answers when it takes requests, so this is also how to learn that it is
 * ready; the id tells one's own broker from another that was faster to take the port.
 */
export function clusterIdOf(port: number, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let received = Buffer.alloc(0);
    const fail = (message: string) => socket.destroy(new Error(`127.0.0.1:${port} ${message}`));
    socket.setTimeout(timeoutMs, () => fail(`did not answer within ${timeoutMs} ms`));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`127.0.0.1:${port} closed the connection`)));
    socket.on('connect', () => socket.write(metadataRequest()));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length > MAX_ANSWER_BYTES) return fail('is no Kafka');
      if (received.length < 4 || received.length < 4 + received.readUInt32BE(0)) return;
      try {
        resolve(clusterIdIn(received));
        socket.destroy();
      } catch {
        fail('is no Kafka');
      }
    });
  });
}

/** A Metadata request for no topic at all, without a client id. */
function metadataRequest(): Buffer {
  const request = Buffer.alloc(18);
  request.writeUInt32BE(14, 0);
  request.writeInt16BE(METADATA, 4);
  request.writeInt16BE(VERSION, 6);
  request.writeInt32BE(0, 8); // correlation id
  request.writeInt16BE(-1, 12); // client id: null
  request.writeInt32BE(0, 14); // topics: none
  return request;
}

/** Size, correlation id, brokers (id, host, port, rack), cluster id, … */
function clusterIdIn(answer: Buffer): string {
  let at = 8;
  const text = () => {
    const length = Math.max(answer.readInt16BE(at), 0);
    at += 2 + length;
    return answer.toString('utf8', at - length, at);
  };
  const brokers = answer.readInt32BE(at);
  at += 4;
  for (let i = 0; i < brokers; i++) {
    at += 4;
    text();
    at += 4;
    text();
  }
  return text();
}
