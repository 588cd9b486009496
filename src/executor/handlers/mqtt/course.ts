import type { Socket } from 'node:net';
import { durationMs } from '@bufbuild/protobuf/wkt';
import type { IConnackPacket, IDisconnectPacket } from 'mqtt';
import type { MqttConfiguration } from '../../../../gen/penstock/v1/mqtt_pb.ts';
import { messageOf } from '../../../runtime/logger.ts';
import type { Cut } from '../handler.ts';
import type { Identity } from './identities.ts';
import { connectionReason, isForMessage, type Words, wordsOf } from './reason-code.ts';
import { addressOf, isWebSocket } from './stream.ts';

const CONNECT_TIMEOUT = 10_000;

type Stage = 'connect' | 'tls' | 'upgrade' | 'connack' | 'open';

/** Why a connection was not made, or was lost. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  /** The broker's code; undefined: it gave none. */
  readonly code: number | undefined;
  readonly isForMessage: Cut['isForOne'];
  /** How far it came. */
  readonly stage: Stage;

  constructor(message: string, code: number | undefined, isForMessage: Cut['isForOne'], stage: Stage) {
    super(message);
    this.code = code;
    this.isForMessage = isForMessage;
    this.stage = stage;
  }
}

export const connectTimeoutOf = ({ connectTimeout }: MqttConfiguration) =>
  connectTimeout ? durationMs(connectTimeout) : CONNECT_TIMEOUT;

/** How far a connection came and what befell it, to say why it ended. */
export class Course {
  #stage: Stage = 'connect';
  #code: number | undefined;
  #words: Words | undefined;
  #error: Error | undefined;
  readonly #config: MqttConfiguration;
  readonly #identity: Identity;

  constructor(config: MqttConfiguration, identity: Identity) {
    this.#config = config;
    this.#identity = identity;
  }

  watch(socket: Socket): void {
    const secured = isWebSocket(this.#config) ? 'upgrade' : 'connack';
    socket.once('connect', () => {
      this.#stage = this.#config.ssl ? 'tls' : secured;
    });
    socket.once('secureConnect', () => {
      this.#stage = secured;
    });
  }

  answered({ reasonCode, returnCode, properties }: IConnackPacket): void {
    const code = reasonCode ?? returnCode ?? 0;
    if (code === 0) this.#stage = 'open';
    else this.#code = code;
    this.#words = wordsOf(properties, this.#identity.password);
  }

  disconnected({ reasonCode, properties }: IDisconnectPacket): void {
    this.#code ??= reasonCode;
    this.#words = wordsOf(properties, this.#identity.password);
  }

  /** The first failure is the cause of the others. */
  failed(error: Error): void {
    this.#error ??= error;
  }

  error(): ConnectionError {
    return new ConnectionError(this.#reason(), this.#code, this.#isForMessage(), this.#stage);
  }

  /** A broker that closes without a word may do so for a message; what else ends a connection does not. */
  #isForMessage(): Cut['isForOne'] {
    if (this.#code !== undefined) return isForMessage(this.#code);
    return this.#error === undefined || isClosed(this.#error) ? 'maybe' : 'no';
  }

  #reason(): string {
    const address = addressOf(this.#config);
    if (this.#code !== undefined) {
      const verb = this.#stage === 'open' ? 'ended' : 'refused';
      return `the broker ${verb} the connection: ${connectionReason(this.#code, this.#words)}`;
    }
    if (this.#error?.message === 'connack timeout') {
      const waited = `within ${connectTimeoutOf(this.#config)} ms`;
      if (this.#stage === 'connect') return `no connection to ${address} ${waited}`;
      return `${address} let the client connect and did not answer ${STAGES[this.#stage]} ${waited}`;
    }
    if (this.#error?.message === 'Keepalive timeout')
      return 'the broker was silent for longer than keep_alive';
    const error = this.#error && messageOf(this.#error);
    const what = error ?? 'the connection was closed';
    switch (this.#stage) {
      case 'open':
        return error && !isPlainlyClosed(this.#error)
          ? `the connection to ${address} was lost: ${error}`
          : CLOSED;
      case 'connack':
        return `${address} did not answer CONNECT: ${error ?? `${what}; it may want another mqtt_version, or ssl`}`;
      case 'upgrade':
        return `${address}: no WebSocket: ${what}; check websocket_path, or ssl`;
      case 'tls':
        return `${address}: no TLS: ${what}`;
      case 'connect':
        return `${address} was not reached: ${what}`;
    }
  }
}

const codeOf = (error: (Error & { readonly code?: string }) | undefined) => error?.code;

/** Whether it only tells that the other side has closed. */
const isPlainlyClosed = (error: Error | undefined) => codeOf(error) === 'EPIPE';

const isClosed = (error: Error) => isPlainlyClosed(error) || codeOf(error) === 'ECONNRESET';

const CLOSED =
  'the broker closed the connection without a reason: it may not allow the topic or the size of a message, or so many ' +
  'on their way (max_in_flight), or another client took the client id; its log tells';
const STAGES = {
  tls: 'the TLS handshake',
  upgrade: 'the WebSocket request',
  connack: 'CONNECT',
  open: 'PINGREQ',
};
