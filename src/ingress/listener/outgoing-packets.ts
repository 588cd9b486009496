import type { Duplex } from 'node:stream';
import { generate, type IConnackPacket, type Packet } from 'mqtt-packet';
import type { Answerable } from './connect-packet.ts';
import type { FilterList } from './control-packets.ts';
import { type PacketType, ReasonCode, tooLarge } from './protocol.ts';

/** The return codes of 3.1 and 3.1.1 for the reason codes of a refused CONNECT. */
const RETURN_CODES: Partial<Record<ReasonCode, number>> = {
  [ReasonCode.UNSUPPORTED_PROTOCOL_VERSION]: 1,
  [ReasonCode.CLIENT_IDENTIFIER_NOT_VALID]: 2,
};
const SERVER_UNAVAILABLE = 3;
const SUBACK_FAILURE = 0x80;
/** The CONNACK of 5.0 that has no properties: who is accepted takes as much, and no acknowledgement is larger. */
const SMALLEST_CONNACK = 5;
/** The first size of the buffer that collects packets, in bytes. */
const BUFFER_BYTES = 1024;

type Acknowledgement = typeof PacketType.PUBACK | typeof PacketType.PUBREC | typeof PacketType.PUBCOMP;

/** Writes packets to a client. Those of one turn of the event loop leave together. */
export class OutgoingPackets {
  /** Until CONNECT has told. */
  to: Answerable = { version: 4, maximumPacketSize: Infinity };
  readonly #socket: Duplex;
  #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #length = 0;
  #isScheduled = false;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /** The hot path, so without mqtt-packet. */
  acknowledge(type: Acknowledgement, packetId: number, reasonCode: ReasonCode): void {
    const hasReason = this.to.version === 5 && reasonCode !== ReasonCode.SUCCESS;
    this.#reserve(5);
    this.#length = this.#buffer.writeUInt8(type << 4, this.#length);
    this.#length = this.#buffer.writeUInt8(hasReason ? 3 : 2, this.#length);
    this.#length = this.#buffer.writeUInt16BE(packetId, this.#length);
    if (hasReason) this.#length = this.#buffer.writeUInt8(reasonCode, this.#length);
  }

  connack(sessionPresent: boolean, properties: NonNullable<IConnackPacket['properties']>): void {
    const { version } = this.to;
    const accepted = { cmd: 'connack', returnCode: 0, reasonCode: 0 } as const;
    if (version === 5) this.#send({ ...accepted, sessionPresent, properties });
    else this.#send({ ...accepted, sessionPresent: sessionPresent && version === 4 }); // 3.1 has no such flag
  }

  refuse(reasonCode: ReasonCode): void {
    if (this.to.maximumPacketSize < SMALLEST_CONNACK) return;
    const returnCode = RETURN_CODES[reasonCode] ?? SERVER_UNAVAILABLE;
    this.#send({ cmd: 'connack', sessionPresent: false, returnCode, reasonCode });
  }

  pingresp(): void {
    this.#send({ cmd: 'pingresp' });
  }

  /** Refuses each subscription. */
  suback({ packetId, count }: FilterList): void {
    const code = this.to.version === 5 ? ReasonCode.NOT_AUTHORIZED : SUBACK_FAILURE;
    this.#send({ cmd: 'suback', messageId: packetId, granted: Array<number>(count).fill(code) });
  }

  unsuback({ packetId, count }: FilterList): void {
    const granted = Array<number>(count).fill(ReasonCode.NO_SUBSCRIPTION_EXISTED);
    this.#send({ cmd: 'unsuback', messageId: packetId, granted });
  }

  /** Says why the connection ends, to those who can be told: only 5.0 has a DISCONNECT from the server. */
  disconnect(reasonCode: ReasonCode): void {
    if (this.to.version === 5) this.#send({ cmd: 'disconnect', reasonCode });
  }

  flush(): void {
    this.#isScheduled = false;
    if (this.#length === 0) return;
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#buffer = Buffer.allocUnsafe(BUFFER_BYTES);
    this.#length = 0;
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  #send(packet: Packet): void {
    const { version, maximumPacketSize } = this.to;
    const bytes = generate(packet, { protocolVersion: version });
    if (bytes.length > maximumPacketSize) {
      throw tooLarge(
        `an answer of ${bytes.length} bytes, more than the ${maximumPacketSize} that the client takes`,
      );
    }
    this.#reserve(bytes.length);
    this.#length += bytes.copy(this.#buffer, this.#length);
  }

  #reserve(bytes: number): void {
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      setImmediate(() => this.flush());
    }
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}
