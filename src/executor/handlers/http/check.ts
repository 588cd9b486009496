import { HttpCheckMethod, type HttpConfiguration } from '../../../../gen/penstock/v1/http_pb.ts';
import { messageOf } from '../../../runtime/logger.ts';
import type { CheckResult, HandlerContext } from '../handler.ts';
import { adviceFor } from './advice.ts';
import { checkPath } from './endpoint-url.ts';
import { senderOf } from './exchange.ts';
import type { HttpRequest, RequestSender } from './request-sender.ts';
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
    const advice = new Statuses(config).isSuccess(status) ? undefined : adviceOn(status, method);
    return { reachable: !isDenied, message: told(`the endpoint answers ${status} to ${method}`, advice) };
  } catch (error) {
    const message = told(`the endpoint was not reached: ${messageOf(error)}`, adviceFor(error));
    return { reachable: false, message };
  } finally {
    await sender?.destroy();
  }
}

const told = (finding: string, advice: string | undefined) => (advice ? `${finding}; ${advice}` : finding);

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
