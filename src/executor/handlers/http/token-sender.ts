import type { HttpRequest } from '../../../contract/http-request.ts';
import type { OAuth2Tokens } from '../oauth2.ts';
import type { HttpAnswer } from './answer.ts';
import type { RequestSender } from './request-sender.ts';

/** Sends requests with an access token; once again with another one when the endpoint does not take it. */
export class TokenSender implements RequestSender {
  readonly #sender: RequestSender;
  readonly #tokens: OAuth2Tokens;

  constructor(sender: RequestSender, tokens: OAuth2Tokens) {
    this.#sender = sender;
    this.#tokens = tokens;
  }

  async send(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    const token = await this.#tokens.token(signal);
    const answer = await this.#sender.send(withToken(request, token), signal);
    if (answer.status !== 401 || !this.#tokens.refused(token)) return answer;
    const other = await this.#tokens.token(signal);
    return other === token ? answer : await this.#sender.send(withToken(request, other), signal);
  }

  async destroy(): Promise<void> {
    this.#tokens[Symbol.dispose]();
    await this.#sender.destroy();
  }
}

const withToken = (request: HttpRequest, token: string): HttpRequest => ({
  ...request,
  headers: { ...request.headers, authorization: `Bearer ${token}` },
});
