import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Packet } from 'mqtt-packet';
import { VERSIONS, type Version } from './mqtt-bytes.ts';
import { listenerForTests } from './mqtt-listener.ts';
import { connectPacket, RawMqttClient } from './raw-mqtt-client.ts';
import { waitUntil } from './wait-until.ts';

const NAMES = { 3: '3.1', 4: '3.1.1', 5: '5.0' } as const;

/** What a client sends, and what it is to be told, as `told` writes it. A version that is left out is not tried. */
export interface Statement {
  /** The numbers of the statements; those of 3.1.1 in front of the semicolon where they differ. */
  readonly numbers: string;
  readonly what: string;
  readonly send: (version: Version) => Buffer | readonly Buffer[];
  readonly told: Partial<Record<Version, string>>;
}

/** The connection ends; 5.0 is told why. */
export const ends = (reasonCode: number): Record<Version, string> => ({
  3: 'closed',
  4: 'closed',
  5: `disconnect ${code(reasonCode)}, closed`,
});
/** The same for all versions. */
export const all = (told: string): Record<Version, string> => ({ 3: told, 4: told, 5: told });

/** Declares a test for each statement, over sockets of clients that are connected, or of strangers. */
export function statements(table: readonly Statement[], { connected = true } = {}): void {
  for (const { numbers, what, send, told } of table) {
    test(`[${numbers}] ${what}`, async (t) => {
      const { address } = await listenerForTests(t);
      for (const version of VERSIONS) {
        const expected = told[version];
        if (expected === undefined) continue;
        const sent = [send(version)].flat();
        for (const [index, bytes] of sent.entries()) {
          const which = `${NAMES[version]}, ${bytes.subarray(0, 40).toString('hex')} (${index})`;
          const answer = await answerTo(t, address, version, { bytes, connected, told: expected });
          assert.equal(answer, expected, which);
        }
      }
    });
  }
}

/** What comes, once the connection has ended or a PINGREQ behind the bytes is answered; acknowledgements come when they come. */
async function answerTo(
  t: TestContext,
  address: string,
  version: Version,
  { bytes, connected, told }: { bytes: Buffer; connected: boolean; told: string },
): Promise<string> {
  const client = new RawMqttClient(t, address, version);
  if (connected) {
    client.send(connectPacket(version));
    await client.received(1);
  }
  const before = client.packets.length;
  client.socket.write(Buffer.concat([bytes, Buffer.from('c000', 'hex')]));
  const isOver = () => client.isClosed || client.packets.some(({ cmd }) => cmd === 'pingresp');
  await waitUntil('an answer', isOver);
  const answers = () => {
    const packets = client.packets.slice(before).filter(({ cmd }) => cmd !== 'pingresp');
    const words = packets.map((answer) => wordsOf(answer, version));
    return [...words, ...(client.isClosed ? ['closed'] : [])].join(', ');
  };
  await waitUntil(told, () => answers() === told, 2000).catch(() => {}); // what came instead is told
  client.socket.destroy();
  return answers();
}

/** A packet in words: its type, its packet identifier, and its codes that are not 0. */
export function wordsOf(answer: Packet, version: Version): string {
  const words: (string | number)[] = [answer.cmd];
  if (answer.messageId) words.push(answer.messageId);
  const codes = answer as { returnCode?: number; reasonCode?: number; granted?: number[] };
  const reason = answer.cmd === 'connack' && version < 5 ? codes.returnCode : codes.reasonCode;
  if (reason) words.push(code(reason));
  if (codes.granted) words.push(codes.granted.map(code).join(' '));
  return words.join(' ');
}

function code(value: number): string {
  return `0x${value.toString(16).padStart(2, '0')}`;
}
