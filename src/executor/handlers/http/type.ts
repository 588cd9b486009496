import type { HttpConfiguration } from '../../../../gen/penstock/v1/http_pb.ts';
import type { FieldViolation } from '../../../contract/validate.ts';
import { messageOf } from '../../../runtime/logger.ts';
import type { TargetGuard } from '../../../runtime/target-guard.ts';
import type { CheckResult, HandlerContext, HandlerType } from '../handler.ts';
import { tlsProblem } from '../tls.ts';
import { HttpHandler } from './http-handler.ts';
import { HttpSender } from './sender.ts';

/** HTTP endpoints: one request a message. */
export const http: HandlerType<'http'> = {
  pack: () => ({ maxMessages: 1, maxBytes: Number.POSITIVE_INFINITY }),
  validate,
  check,
  create: (config, context) => new HttpHandler(config, context),
};

function validate(config: HttpConfiguration, guard: TargetGuard): readonly FieldViolation[] {
  const violations: FieldViolation[] = [];
  if (!URL.canParse(config.restEndpointUrl)) {
    violations.push({
      field: 'rest_endpoint_url',
      description: 'is not a URL: use one such as http://127.0.0.1:9999/in',
      reason: 'HTTP_REST_ENDPOINT_URL_PARSE',
    });
  } else {
    try {
      guard.checkLiteral(new URL(config.restEndpointUrl).hostname);
    } catch (error) {
      violations.push({
        field: 'rest_endpoint_url',
        description: messageOf(error),
        reason: 'HTTP_REST_ENDPOINT_URL_REFUSED',
      });
    }
  }
  const names = Object.keys(config.headers).map((name) => name.toLowerCase());
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) {
    violations.push({
      field: 'headers',
      description: `${repeated} is there twice, in different cases: keep one`,
      reason: 'HTTP_HEADERS_REPEATED',
    });
  }
  const problem =
    config.credentials?.credentials.case === 'pem'
      ? tlsProblem(config.credentials.credentials.value)
      : undefined;
  if (problem) {
    violations.push({ field: 'credentials.pem', description: problem, reason: 'HTTP_CREDENTIALS_PEM' });
  }
  return violations;
}

/** A HEAD request, with the same headers and credentials: any answer shows that the endpoint is there. */
async function check(
  config: HttpConfiguration,
  { guard }: HandlerContext,
  signal: AbortSignal,
): Promise<CheckResult> {
  const sender = new HttpSender(config, guard);
  try {
    const { status } = await sender.send({ method: 'HEAD', headers: {}, body: null }, signal);
    const denied = status === 401 || status === 403;
    return {
      reachable: !denied,
      message: denied
        ? `the endpoint answers ${status} to HEAD: check the credentials`
        : `the endpoint answers ${status} to HEAD`,
    };
  } catch (error) {
    return { reachable: false, message: `the endpoint was not reached: ${messageOf(error)}` };
  } finally {
    await sender.destroy();
  }
}
