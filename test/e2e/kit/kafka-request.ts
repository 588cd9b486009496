import { once } from 'node:events';
import { connect } from 'node:net';

const ELECT_LEADERS = 43;
const DEADLINE = 10_000;

/**
 * Lets Kafka elect the preferred leader of every partition, which kafkajs has no request for. Answers when it has; those
 * whose preferred leader is away keep theirs.
 */
export async function electPreferredLeaders(host: string, port: number): Promise<void> {
  const body = Buffer.alloc(9);
  body.writeInt8(0, 0); // preferred
  body.writeInt32BE(-1, 1); // every partition of every topic
  body.writeInt32BE(DEADLINE, 5);
  const answer = await ask(host, port, ELECT_LEADERS, 1, body);
  const error = answer.readInt16BE(4);
  if (error !== 0) throw new Error(`Kafka elects no leaders: error ${error}`);
}

/** Sends one request and answers the body of the response. */
async function ask(host: string, port: number, key: number, version: number, body: Buffer): Promise<Buffer> {
  const header = Buffer.alloc(14);
  header.writeInt32BE(10 + body.length, 0);
  header.writeInt16BE(key, 4);
  header.writeInt16BE(version, 6);
  header.writeInt32BE(1, 8); // correlation id
  header.writeInt16BE(-1, 12); // no client id
  const signal = AbortSignal.timeout(DEADLINE);
  const socket = connect(port, host);
  try {
    await once(socket, 'connect', { signal });
    socket.write(Buffer.concat([header, body]));
    let came = Buffer.alloc(0);
    while (came.length < 4 || came.length < 4 + came.readInt32BE(0)) {
      const [chunk] = await once(socket, 'data', { signal });
      came = Buffer.concat([came, chunk]);
    }
    return came.subarray(8);
  } finally {
    socket.destroy();
  }
}
