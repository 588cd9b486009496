import { HttpCheckMethod, type HttpConfiguration } from '../../../../gen/penstock/v1/http_pb.ts';
import { checkPath } from '../../../contract/endpoint-url.ts';
import type { HttpRequest } from '../../../contract/http-request.ts';
import { messageOf } from '../../../runtime/logger.ts';
import type { CheckResult, HandlerContext } from '../handler.ts';
import { TokenError } from '../oauth2.ts';
import { adviceFor } from './advice.ts';
import { senderOf } from './exchange.ts';
import type { RequestSender } from './request-sender.ts';
import { Statuses } from './statuses.ts';

const METHODS: ReadonlyMap<HttpCheckMethod, HttpRequest['method']> = new Map([
  [HttpCheckMethod.OPTIONS, 'OPTIONS'],
  [HttpCheckMethod.GET, 'GET'],
  [HttpCheckMethod.POST, 'POST'],
  [HttpCheckMethod.PUT, 'PUT'],
  [HttpCheckMethod.PATCH, 'PATCH'],
  [HttpCheckMethod.DELETE, 'DELETE'],
]);

/**
 * One request without a body, with the configured headers and credentials, over a connection of its own. Any answer shows
 * that the endpoint is there; it is usable unless the answer says that it does not know us.
 */
export async function check(
  config: HttpConfiguration,
  context: HandlerContext,
  signal: AbortSignal,
): Promise<CheckResult> {
  const method = METHODS.get(config.checkMethod) ?? 'HEAD';
  let sender: RequestSender | undefined;
  try {
    sender = senderOf(config, context, 1);
    const path = checkPath(config.restEndpointUrl);
    const { status } = await sender.send({ method, path, headers: {}, body: null }, signal);
    const isDenied = status === 401 || status === 403 || status === 407;
    const isWell = !isDenied && new Statuses(config).isSuccess(status);
    const message = told(
      `the endpoint answers ${status} to ${method}`,
      isWell ? undefined : adviceOn(status, method),
    );
    const field = isWell ? undefined : fieldFor(status, config);
    const isAuthenticated = config.credentials !== undefined || config.secretHeaders.length > 0;
    if (!isDenied) return { reachable: true, message, isAuthenticated, ...(field && { field }) };
    return { reachable: false, message, fault: 'authentication', ...(field && { field }) };
  } catch (error) {
    const message = told(`the endpoint was not reached: ${messageOf(error)}`, adviceFor(error));
    if (!(error instanceof TokenError)) return { reachable: false, message };
    return { reachable: false, message, fault: 'authentication', field: 'credentials.oauth2' };
  } finally {
    await sender?.destroy();
  }
}

const told = (finding: string, advice: string | undefined) => (advice ? `${finding}; ${advice}` : finding);

function fieldFor(status: number, { credentials, secretHeaders }: HttpConfiguration): string | undefined {
  if (status === 401 || status === 403) {
    const own = credentials?.credentials.case;
    if (own !== undefined) return `credentials.${own}`;
    return secretHeaders.length > 0 ? 'secret_headers' : 'credentials';
  }
  if (status === 407) return 'proxy_credentials';
  if (status === 404 || status === 410 || (status >= 300 && status < 400)) return 'rest_endpoint_url';
  return status === 405 || status === 501 ? 'check_method' : undefined;
}

function adviceOn(status: number, method: string): string | undefined {
  if (status === 401 || status === 403) return 'check the credentials';
  if (status === 407) return 'the proxy wants other credentials: check proxy_credentials';
  if (status === 404 || status === 410) return 'check the path of rest_endpoint_url';
  if (status === 405 || status === 501)
    return `it is there but takes no ${method}: check_method sets another method`;
  if (status >= 300 && status < 400) return 'redirects are not followed: use the address that it points to';
  if (status >= 500) return 'it is there but in trouble';
  return undefined;
}
