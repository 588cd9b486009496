import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { generate, type Packet, parser } from 'mqtt-packet';

const VERSION = { protocolVersion: 5 } as const;
const RECONNECT_PAUSE = 200;
const CONNECT_DEADLINE = 5000;
/** Longer than any test takes. Seconds. */
const SESSION_EXPIRY = 3600;
const DUP = 0x08;
const REFUSED = 0x80;

interface Outgoing {
  readonly bytes: Buffer;
  readonly onAcknowledged: () => void;
  readonly onResent: () => void;
}

/**
 * An MQTT client with a session that outlives its connections: it connects again by itself, and sends first what was not
 * acknowledged, once more with DUP, in the order it was sent.
 */
export class PersistentClient {
  readonly #clientId: string;
  readonly #address: () => string;
  /** By packet identifier, in the order they were sent. */
  readonly #unacknowledged = new Map<number, Outgoing>();
  #packetId = 0;
  #socket: Socket | undefined;

  /** @param address `host:port`, asked before each connecting */
  constructor(clientId: string, address: () => string) {
    this.#clientId = clientId;
    this.#address = address;
  }

  get isConnected(): boolean {
    return this.#socket !== undefined;
  }

  /** Messages that were sent and not acknowledged. */
  get inFlight(): number {
    return this.#unacknowledged.size;
  }

  /** Keeps it connected until the signal comes. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#connection(signal).catch(() => {}); // it connects again
      this.#socket = undefined;
      if (!signal.aborted) await sleep(RECONNECT_PAUSE);
    }
  }

  /** QoS 1. Only while it is connected. */
  publish(topic: string, payload: string, callbacks: Omit<Outgoing, 'bytes'>): void {
    do this.#packetId = (this.#packetId % 65_535) + 1;
    while (this.#unacknowledged.has(this.#packetId));
    const messageId = this.#packetId;
    const packet = { cmd: 'publish', topic, payload, qos: 1, messageId, dup: false, retain: false } as const;
    const bytes = generate(packet, VERSION);
    this.#unacknowledged.set(messageId, { bytes, ...callbacks });
    this.#socket!.write(bytes);
  }

  /** One connection, to its end. */
  async #connection(signal: AbortSignal): Promise<void> {
    const [host, port] = this.#address().split(':');
    const socket = connect(Number(port), host);
    const closed = once(socket, 'close');
    const end = () => socket.destroy();
    signal.addEventListener('abort', end, { once: true });
    const slow = setTimeout(end, CONNECT_DEADLINE);
    try {
      socket.on('error', () => {}); // its end follows
      socket.setNoDelay(true);
      const packets = parser(VERSION);
      packets.on('packet', (packet) => {
        if (packet.cmd === 'connack') clearTimeout(slow);
        this.#take(packet, socket);
      });
      socket.on('data', (chunk: Buffer) => packets.parse(chunk));
      socket.on('end', end);
      const properties = { sessionExpiryInterval: SESSION_EXPIRY };
      const about = { clientId: this.#clientId, clean: false, keepalive: 0, properties } as const;
      socket.write(generate({ cmd: 'connect', protocolId: 'MQTT', ...VERSION, ...about }, VERSION));
      await closed;
    } finally {
      clearTimeout(slow);
      signal.removeEventListener('abort', end);
    }
  }

  #take(packet: Packet, socket: Socket): void {
    if (packet.cmd === 'connack' && packet.reasonCode === 0) {
      for (const { bytes, onResent } of this.#unacknowledged.values()) {
        bytes[0]! |= DUP;
        socket.write(bytes);
        onResent();
      }
      this.#socket = socket;
    } else if (packet.cmd === 'puback' && (packet.reasonCode ?? 0) < REFUSED) {
      const found = this.#unacknowledged.get(packet.messageId!);
      this.#unacknowledged.delete(packet.messageId!);
      found?.onAcknowledged();
    } else {
      socket.destroy(); // a refusal, or a DISCONNECT
    }
  }
}
