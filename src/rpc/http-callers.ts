import type { IncomingMessage, RequestListener } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { DescMethod } from '@bufbuild/protobuf';
import { type ContextValues, createContextKey, createContextValues } from '@connectrpc/connect';
import type { connectNodeAdapter } from '@connectrpc/connect-node';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { Role } from '../../gen/penstock/v1/access_pb.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import { isStill, LOGIN_NEEDED, refusalOf } from './authorized.ts';
import { type Authenticate, type Caller, type Presented, stranger } from './caller.ts';
import { RpcError } from './error.ts';
import { certificateOf } from './grpc-presented.ts';
import { pathOf } from './grpcjs.ts';
import { isProbe, type Refusal, refuse } from './http-guard.ts';
import { isOfOwnPage } from './own-page.ts';
import { ruleOf } from './policy.ts';
import { pathText, routesOf } from './rest/rest-route.ts';
import { contextWith, type RpcService, wrapHandlers } from './service.ts';
import { sessionOf } from './session-cookie.ts';
import type { WebUi } from './web-ui.ts';

/** The largest request where whoever asks is answered, in bytes: strangers fill no memory, and hold nobody up. */
export const MAX_OPEN_RECEIVE = 16 << 10;

const UNAUTHENTICATED: Refusal = { status: 401, message: LOGIN_NEEDED };

const CALLER = createContextKey<Caller>(stranger(''), { description: 'who calls' });
const LET_IN = createContextKey(() => Promise.resolve(true), { description: 'whether it is still let in' });
type Request = Parameters<ReturnType<typeof connectNodeAdapter>>[0];

interface HttpCallersDeps {
  readonly authenticate: Authenticate;
  readonly logger: Logger;
  /** Whether browsers keep sessions for TLS alone. */
  readonly isCookieSecure: boolean;
  /** What whoever asks may load, to log in with. Unset: nothing. */
  readonly webUi: Pick<WebUi, 'serves'> | undefined;
}

/** Who made the requests that are being answered. */
export class HttpCallers {
  readonly #authenticate: Authenticate;
  readonly #logger: Logger;
  readonly #isCookieSecure: boolean;
  readonly #webUi: HttpCallersDeps['webUi'];
  /** Where whoever asks is answered: `POST /path`. */
  readonly #open: ReadonlySet<string>;
  readonly #callers = new WeakMap<Request, Caller>();

  /** @param open paths beside those of the methods that the policy opens */
  constructor(
    services: readonly RpcService[],
    open: readonly string[],
    { authenticate, logger, isCookieSecure, webUi }: HttpCallersDeps,
  ) {
    this.#authenticate = authenticate;
    this.#logger = logger;
    this.#isCookieSecure = isCookieSecure;
    this.#webUi = webUi;
    const isOpen = ({ method }: { readonly method: DescMethod }) => ruleOf(method).role === undefined;
    const methods = services.flatMap(({ service }) => service.methods.map((method) => ({ method })));
    const rest = services.flatMap(({ service }) => routesOf(service)).filter(isOpen);
    this.#open = new Set([
      ...[...open, ...methods.filter(isOpen).map(({ method }) => pathOf(method))].flatMap((path) =>
        ['GET', 'HEAD', 'POST'].map((httpMethod) => `${httpMethod} ${path}`),
      ),
      ...rest.flatMap((route) => withHead(route.httpMethod).map((one) => `${one} ${pathText(route)}`)),
    ]);
  }

  /**
   * The listener for those who are let in, before anything of what they ask is read.
   * @param open what answers where whoever asks is answered
   */
  listener(listener: RequestListener, open: RequestListener): RequestListener {
    return (request, response) => {
      if (this.#isOpen(request)) {
        this.#callers.set(request, stranger(addressOf(request)));
        // What is too large is not read to its end.
        if (mayBeLarge(request)) response.shouldKeepAlive = false;
        return open(request, response);
      }
      this.#callerOf(request)
        .then(
          (caller) => {
            if (caller === undefined) return refuse(response, UNAUTHENTICATED);
            this.#callers.set(request, caller);
            listener(request, response);
          },
          (error) => refuse(response, this.#refusalOf(error)),
        )
        .catch((error) => {
          this.#logger.error('an HTTP request could not be handled', { error: messageOf(error) });
          response.destroy();
        });
    };
  }

  /** Whether somebody who is let in made it. */
  knows(request: Request): boolean {
    return (this.#callers.get(request)?.role ?? Role.UNSPECIFIED) !== Role.UNSPECIFIED;
  }

  /** Health is told to whoever asks, whatever he shows. */
  #callerOf(request: IncomingMessage): Promise<Caller | undefined> {
    const found = this.#authenticate(presentedBy(request, this.#isCookieSecure));
    if (!isProbe(request)) return found;
    const nobody = stranger(addressOf(request));
    return found.then((caller) => caller ?? nobody).catch(() => nobody);
  }

  /** For the handlers of a request, see `withCallers`. */
  readonly contextValues = (request: Request): ContextValues => {
    const caller = this.#callers.get(request) ?? stranger('');
    const isLetIn = async () =>
      caller.role === Role.UNSPECIFIED ||
      isStill(caller, presentedBy(request as IncomingMessage, this.#isCookieSecure), this.#authenticate);
    return createContextValues().set(CALLER, caller).set(LET_IN, isLetIn);
  };

  /** Why who made a request may not call this method; undefined: it may. */
  readonly refusalFor = (request: Request, method: DescMethod): RpcError | undefined =>
    refusalOf(method, this.#callers.get(request) ?? stranger(''));

  #isOpen(request: IncomingMessage): boolean {
    const { method, url = '' } = request;
    const [path = ''] = url.split('?', 1);
    return this.#open.has(`${method} ${path}`) || (this.#webUi?.serves(request) ?? false);
  }

  #refusalOf(error: unknown): Refusal {
    if (error instanceof RpcError && error.code === Code.UNAVAILABLE) {
      return { status: 503, message: error.message };
    }
    this.#logger.error('a caller could not be authenticated', { error: messageOf(error) });
    return { status: 500, message: 'internal error' };
  }
}

/** The service with handlers that Connect calls, whose contexts say who calls. */
export function withCallers(service: RpcService): RpcService {
  return wrapHandlers(service, (_method, handler) => (input, context) => {
    const { values } = context as unknown as { readonly values: ContextValues };
    return handler(input, contextWith(context, { caller: values.get(CALLER), isLetIn: values.get(LET_IN) }));
  });
}

/** What may be got may be asked for without its body. */
const withHead = (httpMethod: string) => (httpMethod === 'GET' ? ['GET', 'HEAD'] : [httpMethod]);

const mayBeLarge = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > MAX_OPEN_RECEIVE;

const addressOf = ({ socket }: IncomingMessage): string => socket.remoteAddress ?? '';

function presentedBy(request: IncomingMessage, isCookieSecure: boolean): Presented {
  const { method, headers } = request;
  const socket = request.socket as Partial<TLSSocket>;
  const isOwn = isOfOwnPage({ method, headers, isEncrypted: socket.encrypted === true });
  return {
    authorization: headers.authorization,
    session: isOwn ? sessionOf(headers.cookie, isCookieSecure) : undefined,
    address: addressOf(request),
    certificate: () => certificateOf(socket),
  };
}
