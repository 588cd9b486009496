import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { CloseCode, FrameReader, Opcode, WebSocketError } from './frame-reader.ts';

/**
 * What a socket reads ahead while it is paused, in bytes, and what waits for one that is not read. Each segment is a buffer of
 * its own there, however small.
 */
const READ_AHEAD = 8192;
/** TCP's own probes find peers that vanished; milliseconds. */
const TCP_KEEP_ALIVE = 60_000;

/**
 * The server's side of a WebSocket connection as a stream of bytes, in binary frames: one for each write, and read wherever
 * theirs begin and end. Ending it closes the connection; so does the client, whose CLOSE ends what is read. On what a client
 * may not send it emits `violation` with an Error, once, and reads no more: it is to be ended then.
 */
export class WebSocketStream extends Duplex {
  readonly remoteAddress: string | undefined;
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  #hasEnded = false;
  #closeCode: CloseCode = CloseCode.NORMAL;
  #isAnswering = false;
  /** The last PING that is not answered yet. */
  #ping: Buffer | undefined;

  /** `head`: what came behind the request. */
  constructor(socket: Socket, head: Buffer) {
    // What is read here waits in the socket alone.
    super({ readableHighWaterMark: 1, writableHighWaterMark: READ_AHEAD });
    this.#socket = socket;
    this.remoteAddress = socket.remoteAddress;
    socket.allowHalfOpen = true; // a client that hangs up is still heard to its last packet
    socket.setTimeout(0);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEP_ALIVE);
    limitReadAhead(socket);
    if (head.length > 0) socket.unshift(head);
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('end', () => this.#endReading());
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(frame(Opcode.BINARY, bytes), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    const code = Buffer.alloc(2);
    code.writeUInt16BE(this.#closeCode);
    this.#socket.end(frame(Opcode.CLOSE, code), () => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #take(bytes: Buffer): void {
    if (this.#hasEnded) return;
    try {
      const { data, ping } = this.#reader.read(bytes);
      if (ping) this.#answer(ping);
      if (data.length > 0 && !this.push(data)) this.#socket.pause();
      if (this.#reader.isClosed) this.#endReading();
    } catch (error) {
      if (!(error instanceof WebSocketError)) throw error;
      this.#hasEnded = true;
      this.#closeCode = error.code;
      this.emit('violation', error);
    }
  }

  #endReading(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.push(null);
    this.#socket.resume(); // to see its end
  }

  /** One answer is on its way at most: whoever sends PINGs and does not read makes nothing wait. */
  #answer(ping: Buffer): void {
    this.#ping = ping;
    if (this.#isAnswering || this.writableEnded) return;
    this.#isAnswering = true;
    this.#ping = undefined;
    this.#socket.write(frame(Opcode.PONG, ping), () => {
      this.#isAnswering = false;
      if (this.#ping && this.#socket.writable) this.#answer(this.#ping);
    });
  }
}

/** A whole frame of a server: final, and not masked. */
function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const size = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const bytes = Buffer.allocUnsafe(size + length);
  bytes[0] = 0x80 | opcode;
  bytes[1] = size === 2 ? length : size === 4 ? 126 : 127;
  if (size === 4) bytes.writeUInt16BE(length, 2);
  if (size === 10) bytes.writeBigUInt64BE(BigInt(length), 2);
  payload.copy(bytes, size);
  return bytes;
}

/** Sockets of an HTTP server are made with eight times as much, those with TLS whatever it is told. */
function limitReadAhead(socket: Socket): void {
  const { _readableState: state } = socket as unknown as { _readableState: { highWaterMark: number } };
  state.highWaterMark = READ_AHEAD;
}
