import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { isIPv4 } from 'node:net';
import type { TestContext } from 'node:test';
import { onEnd } from './on-end.ts';

const [A, AAAA] = [1, 28];
const RCODE = { ok: 0, SERVFAIL: 2, NXDOMAIN: 3 } as const;

/** What the server has for a name. */
export interface DnsRecords {
  /** IPv4 and IPv6. */
  readonly addresses?: readonly string[];
  /** In seconds. Unset: 60. */
  readonly ttl?: number;
  /** Before it answers, in milliseconds. */
  readonly delay?: number;
  /** Instead of addresses. `silent`: it does not answer; `silent-AAAA`: not about IPv6 addresses. */
  readonly fault?: 'SERVFAIL' | 'silent' | 'silent-AAAA';
}

/** A DNS server over UDP; of names that it was not told of it says that there are none. */
export class DnsServer {
  /** What it was asked for, in its order: `A kafka.example`. */
  readonly asked: string[] = [];
  readonly #names = new Map<string, DnsRecords>();
  readonly #socket = createSocket('udp4');

  /** Stopped after the test. */
  static async start(t: TestContext): Promise<DnsServer> {
    const server = new DnsServer();
    const socket = server.#socket;
    socket.on('message', (question, from) => server.#answer(question, from));
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    onEnd(t, async () => {
      socket.close();
      await once(socket, 'close');
    });
    return server;
  }

  /** `host:port` */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  set(name: string, records: DnsRecords): void {
    this.#names.set(name, records);
  }

  /** How often it was asked for the addresses of a name, of both families together. */
  count(name: string): number {
    return this.asked.filter((one) => one.endsWith(` ${name}`)).length;
  }

  #answer(message: Buffer, { port, address }: RemoteInfo): void {
    const { name, type, end } = questionIn(message);
    this.asked.push(`${type === AAAA ? 'AAAA' : 'A'} ${name}`);
    const records = this.#names.get(name.toLowerCase());
    const { fault, delay = 0, ttl = 60, addresses = [] } = records ?? {};
    if (fault === 'silent' || (fault === 'silent-AAAA' && type === AAAA)) return;
    const rcode = fault === 'SERVFAIL' ? RCODE.SERVFAIL : records ? RCODE.ok : RCODE.NXDOMAIN;
    const answers = addresses.filter((one) => isIPv4(one) === (type === A)).map((one) => record(one, ttl));
    const header = Buffer.alloc(12);
    message.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8180 | rcode, 2); // an answer, recursion desired and available
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(answers.length, 6);
    const answer = Buffer.concat([header, message.subarray(12, end), ...answers]);
    const send = () => this.#socket.send(answer, port, address, () => {});
    if (delay === 0) send();
    else setTimeout(send, delay);
  }
}

function questionIn(message: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = message[at]!; length > 0; length = message[at]!) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), type: message.readUInt16BE(at + 1), end: at + 5 };
}

/** A resource record for the name in the question. */
function record(address: string, ttl: number): Buffer {
  const data = isIPv4(address) ? Buffer.from(address.split('.').map(Number)) : ipv6Bytes(address);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(isIPv4(address) ? A : AAAA, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(ttl, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function ipv6Bytes(address: string): Buffer {
  const [head = '', tail = ''] = address.split('::');
  const groups = (text: string) =>
    text === '' ? [] : text.split(':').map((one) => Number.parseInt(one, 16));
  const [front, back] = [groups(head), groups(tail)];
  const bytes = Buffer.alloc(16);
  for (const [i, group] of front.entries()) bytes.writeUInt16BE(group, 2 * i);
  for (const [i, group] of back.entries()) bytes.writeUInt16BE(group, 16 - 2 * (back.length - i));
  return bytes;
}
