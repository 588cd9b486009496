import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { BusError } from '../../src/bus/bus.ts';
import { Lane } from '../../src/bus/lane.ts';
import type { TakeIn } from '../../src/ingress/fan-out.ts';
import { FairShares } from '../../src/ingress/listener/fair-shares.ts';
import { OutgoingPackets } from '../../src/ingress/listener/outgoing-packets.ts';
import { PacketType } from '../../src/ingress/listener/protocol.ts';
import { PublishFlow } from '../../src/ingress/listener/publish-flow.ts';
import { Received } from '../../src/ingress/listener/received.ts';
import { takenInBy } from '../../src/ingress/listener/taken-in.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';
import { FakeNotes } from '../helpers/mqtt-listener.ts';
import { testDeps } from '../helpers/test-deps.ts';

type Qos = 1 | 2;

interface Sent {
  readonly number: number;
  readonly lane: Lane;
  readonly end: PromiseWithResolvers<number>;
}

/** What waits for a partition of Kafka, in the order it was sent; lanes as the bus has them. */
class Queue {
  readonly written: number[] = [];
  readonly #waiting: Sent[] = [];
  /** Kafka may have them, whatever becomes of their lanes. */
  readonly #onTheirWay: Sent[] = [];

  readonly takeIn: TakeIn = ({ payload }, lane) => {
    if (lane === undefined) throw new Error('without a lane');
    if (lane.refusal) return Promise.reject(lane.refusal);
    const end = Promise.withResolvers<number>();
    this.#waiting.push({ number: Number(Buffer.from(payload).toString()), lane, end });
    return end.promise;
  };

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#onTheirWay.length === 0;
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next?.lane.refusal) next.end.reject(next.lane.refusal);
    else if (next) this.#onTheirWay.push(next);
  }

  write(): void {
    if (this.#onTheirWay.length === 0) this.leave();
    const next = this.#onTheirWay.shift();
    if (!next) return;
    this.written.push(next.number);
    next.end.resolve(1);
  }

  /** The time of the oldest is over. */
  refuse(): void {
    const oldest = this.#waiting.shift();
    if (oldest === undefined) return;
    oldest.lane.refusal ??= new BusError('timeout', 'late');
    oldest.end.reject(oldest.lane.refusal);
  }
}

interface Message {
  readonly number: number;
  readonly qos: Qos;
  isReceived: boolean;
}

/** A client that sends again what was not acknowledged, in its order, each time that it connects. */
class ResendingClient {
  readonly acknowledged = new Set<number>();
  readonly #queue: Queue;
  readonly #session = {
    received: new Received(),
    lane: new Lane(),
    expiry: 60,
    isOver: false,
    noted: new Map(),
    releasing: new Map(),
  };
  readonly #deps = testDeps();
  readonly #takenIn = takenInBy(this.#deps.metrics);
  #unacknowledged: Message[] = [];
  /** Not read yet. */
  #unread: Message[] = [];
  #intake: PublishFlow | undefined;
  #published = 0;

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  get isDone(): boolean {
    return this.#unacknowledged.length === 0;
  }

  get isConnected(): boolean {
    return this.#intake !== undefined;
  }

  get published(): number {
    return this.#published;
  }

  publish(qos: Qos): void {
    const message = { number: ++this.#published, qos, isReceived: false };
    this.#unacknowledged.push(message);
    this.#unread.push(message);
    this.#readOn();
  }

  /** Takes the client id over from the connection before, which may have messages on their way. */
  connect(): void {
    this.#intake?.end();
    const write = (bytes: Buffer) => {
      if (this.#intake === intake) this.#read(bytes);
    };
    const outgoing = new OutgoingPackets({ writable: true, write } as unknown as Socket);
    const intake = new PublishFlow(this.#session, {
      clientId: 'c',
      takeIn: this.#queue.takeIn,
      takenIn: this.#takenIn,
      outgoing,
      inFlightBytes: new ByteLimit(1e9),
      shares: new FairShares(this.#deps.clock),
      notes: new FakeNotes(),
      origin: 'here',
      onFailure: () => {
        intake.end();
        this.#intake = undefined;
      },
      onSettled: () => {
        if (this.#intake === intake) this.#readOn();
      },
    });
    this.#intake = intake;
    this.#unread = [...this.#unacknowledged];
    this.#readOn();
  }

  /** What the client has sent is read as far as the server reads on. */
  #readOn(): void {
    while (this.#intake && !this.#intake.isFull && this.#unread.length > 0)
      this.#handle(this.#unread.shift()!);
  }

  #handle({ number, qos, isReceived }: Message): void {
    if (isReceived) {
      this.#intake?.release(number);
      return;
    }
    const payload = Buffer.from(String(number));
    const message = { topicName: 't', payload, clientId: 'c', qos, retain: false, userProperties: [] };
    this.#intake?.publish(message, { packetId: number, isDup: false }, 100);
  }

  #read(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += 4) {
      const [type, packetId] = [bytes[at]! >> 4, bytes.readUInt16BE(at + 2)];
      const message = this.#unacknowledged.find(({ number }) => number === packetId);
      if (!message) continue;
      this.acknowledged.add(packetId);
      if (type === PacketType.PUBREC) {
        message.isReceived = true;
        this.#intake?.release(packetId);
      } else {
        this.#unacknowledged = this.#unacknowledged.filter((one) => one !== message);
      }
    }
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('whatever is refused and whenever the client connects again: the order holds, and QoS 2 comes once', async () => {
  const step = fc.constantFrom(
    'qos 1',
    'qos 2',
    'qos 1',
    'qos 2',
    'write',
    'write',
    'leave',
    'refuse',
    'connect',
    'wait',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }), async (steps) => {
      const queue = new Queue();
      const client = new ResendingClient(queue);
      const qos = new Map<number, Qos>();
      const publish = (of: Qos) => {
        client.publish(of);
        qos.set(client.published, of);
      };
      const act = {
        'qos 1': () => publish(1),
        'qos 2': () => publish(2),
        write: () => queue.write(),
        leave: () => queue.leave(),
        refuse: () => queue.refuse(),
        connect: () => client.connect(),
        wait: turn,
      };
      for (const one of steps) await act[one]();
      while (!client.isDone || !queue.isEmpty) {
        if (!client.isConnected) client.connect();
        queue.write();
        await turn();
        await turn();
      }
      const first = [...new Set(queue.written)];
      assert.deepEqual(
        first,
        Array.from({ length: client.published }, (_, index) => index + 1),
      );
      const twice = queue.written.filter((number, index) => queue.written.indexOf(number) !== index);
      assert.ok(twice.every((number) => qos.get(number) === 1));
    }),
    {
      numRuns: 300,
      examples: [
        // A connection after the one that began anew waits, too, for what was sent before.
        [['connect', 'qos 1', 'qos 2', 'refuse', 'connect', 'connect', 'qos 1', 'write', 'write', 'leave']],
      ],
    },
  );
});
