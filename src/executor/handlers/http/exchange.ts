import { durationMs } from '@bufbuild/protobuf/wkt';
import { FailureClass } from '../../../../gen/penstock/v1/envelope_pb.ts';
import { type HttpConfiguration, HttpConfigurationSchema } from '../../../../gen/penstock/v1/http_pb.ts';
import type { HttpRequest } from '../../../contract/http-request.ts';
import { secretsIn } from '../../../contract/secrets.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { timeoutSignal } from '../../../runtime/deadline.ts';
import { messageOf } from '../../../runtime/logger.ts';
import { DELIVERED, type HandlerContext, type Outcome } from '../handler.ts';
import { connectionFailure, failureOf, type Surroundings } from './outcome.ts';
import { tokensOf } from './peers.ts';
import { HttpSender, type RequestSender } from './request-sender.ts';
import { isOfBatch, Statuses } from './statuses.ts';
import { TokenSender } from './token-sender.ts';

/** The sender for a configuration, with what its credentials need. @param parallel requests at a time, at most */
export function senderOf(
  config: HttpConfiguration,
  context: HandlerContext,
  parallel: number,
): RequestSender {
  const sender = new HttpSender(config, context, parallel);
  const credentials = config.credentials?.credentials;
  if (credentials?.case !== 'oauth2') return sender;
  return new TokenSender(sender, tokensOf(credentials.value, config, context));
}

/** Sends requests and says what became of them. */
export class Exchange {
  readonly #sender: RequestSender;
  readonly #readTimeout: number;
  readonly #surroundings: Omit<Surroundings, 'now'>;
  readonly #clock: Clock;

  constructor(config: HttpConfiguration, context: HandlerContext, parallel: number) {
    this.#sender = senderOf(config, context, parallel);
    this.#readTimeout = config.readTimeout ? durationMs(config.readTimeout) : 0;
    this.#surroundings = {
      statuses: new Statuses(config),
      maxRetryAfter: context.maxRetryAfter,
      secrets: secretsIn(HttpConfigurationSchema, config),
    };
    this.#clock = context.clock;
  }

  /** Rejects only when the signal aborts. @param isBatch whether it is of several messages, each of which may be at fault */
  send(request: HttpRequest, signal: AbortSignal, isBatch: boolean): Promise<Outcome> {
    return this.#readTimeout > 0
      ? this.#sendWithin(request, signal, isBatch)
      : this.#send(request, signal, isBatch);
  }

  #send(request: HttpRequest, signal: AbortSignal, isBatch: boolean): Promise<Outcome> {
    return this.#sender.send(request, signal).then(
      (answer) => {
        if (this.#surroundings.statuses.isSuccess(answer.status)) return DELIVERED;
        const failure = failureOf(answer, { ...this.#surroundings, now: this.#clock.now() });
        return isBatch && isOfBatch(answer.status) ? { ...failure, ofPack: true } : failure;
      },
      (error) => {
        if (signal.aborted) throw error;
        return connectionFailure(error, isBatch);
      },
    );
  }

  /** With the configuration's own, shorter deadline. */
  async #sendWithin(request: HttpRequest, signal: AbortSignal, isBatch: boolean): Promise<Outcome> {
    using deadline = timeoutSignal(this.#clock, this.#readTimeout, 'read_timeout', signal);
    try {
      return await this.#send(request, deadline.signal, isBatch);
    } catch (error) {
      if (signal.aborted) throw error;
      return { delivered: false, failureClass: FailureClass.TIMEOUT, reason: messageOf(error) };
    }
  }

  destroy(): Promise<void> {
    return this.#sender.destroy();
  }
}
