import { connect } from 'node:net';

const METADATA = { key: 3, version: 2 };
const SASL_HANDSHAKE = { key: 17, version: 1 };
const SASL_AUTHENTICATE = { key: 36, version: 0 };
const MAX_ANSWER_BYTES = 65_536;
/** Size and correlation id. */
const HEADER_BYTES = 8;

/** What a client shows a Kafka that asks for it: SASL PLAIN. */
export interface KafkaLogin {
  readonly username: string;
  readonly password: string;
}

/**
 * Asks the broker for its cluster's id. It answers when it takes requests, so this is also how to learn that it is
 * ready; the id tells one's own broker from another that was faster to take the port.
 */
export function clusterIdOf(port: number, timeoutMs: number, login?: KafkaLogin): Promise<string> {
  const requests = [...(login ? [handshakeRequest(), authenticateRequest(login)] : []), metadataRequest()];
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let received = Buffer.alloc(0);
    const fail = (message: string) => socket.destroy(new Error(`127.0.0.1:${port} ${message}`));
    const ask = () => socket.write(requests.shift()!);
    socket.setTimeout(timeoutMs, () => fail(`did not answer within ${timeoutMs} ms`));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`127.0.0.1:${port} closed the connection`)));
    socket.on('connect', ask);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length > MAX_ANSWER_BYTES) return fail('is no Kafka');
      if (received.length < 4 || received.length < 4 + received.readUInt32BE(0)) return;
      try {
        if (requests.length > 0) {
          if (received.readInt16BE(HEADER_BYTES) !== 0) return fail('lets nobody in with this login');
          received = Buffer.alloc(0);
          ask();
        } else {
          resolve(clusterIdIn(received));
          socket.destroy();
        }
      } catch {
        fail('is no Kafka');
      }
    });
  });
}

/** A request without a client id. */
function request({ key, version }: { readonly key: number; readonly version: number }, body: Buffer): Buffer {
  const header = Buffer.alloc(14);
  header.writeUInt32BE(10 + body.length, 0);
  header.writeInt16BE(key, 4);
  header.writeInt16BE(version, 6);
  header.writeInt32BE(0, 8); // correlation id
  header.writeInt16BE(-1, 12); // client id: null
  return Buffer.concat([header, body]);
}

/** For no topic at all. */
const metadataRequest = () => request(METADATA, Buffer.alloc(4));

function handshakeRequest(): Buffer {
  const mechanism = Buffer.from('PLAIN');
  return request(SASL_HANDSHAKE, Buffer.concat([Buffer.from([0, mechanism.length]), mechanism]));
}

function authenticateRequest({ username, password }: KafkaLogin): Buffer {
  const token = Buffer.from(`\0${username}\0${password}`);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(token.length, 0);
  return request(SASL_AUTHENTICATE, Buffer.concat([size, token]));
}

/** Brokers (id, host, port, rack), cluster id, … */
function clusterIdIn(answer: Buffer): string {
  let at = HEADER_BYTES;
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
