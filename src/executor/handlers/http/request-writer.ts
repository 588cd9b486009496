import { type HttpConfiguration, HttpMethod } from '../../../../gen/penstock/v1/http_pb.ts';
import { type BodyOptions, bodyWriter } from '../../../contract/body.ts';
import { HOPS } from '../../../contract/hops.ts';
import { idOf } from '../../../contract/placeholders.ts';
import { compileTemplate } from '../../../contract/template.ts';
import { templatedBodyWriter } from '../../../contract/templated-body.ts';
import { type HandlerContext, type Outbound, templateSource } from '../handler.ts';
import { hasPlaceholder, requestPath, type Write } from './endpoint-url.ts';
import type { HttpRequest } from './request-sender.ts';

const METHODS: ReadonlyMap<HttpMethod, HttpRequest['method']> = new Map([
  [HttpMethod.PUT, 'PUT'],
  [HttpMethod.PATCH, 'PATCH'],
  [HttpMethod.GET, 'GET'],
  [HttpMethod.DELETE, 'DELETE'],
]);

export const methodOf = ({ requestMethod }: HttpConfiguration) => METHODS.get(requestMethod) ?? 'POST';
export const hasBody = (config: HttpConfiguration) => !['GET', 'DELETE'].includes(methodOf(config));

export function bodyOptions(config: HttpConfiguration, context: HandlerContext): BodyOptions {
  return {
    payloadContentType: config.payloadContentType,
    sendBinaryOnParseFailure: config.sendBinaryOnParseFailure ?? true,
    sendOnlyMsgPayload: config.sendOnlyMsgPayload,
    integrationName: context.integrationName,
    metadata: context.metadata,
    serviceId: context.serviceId,
  };
}

/** A function that writes a message as a request. It throws an `UnencodableError`. */
export function requestWriter(
  config: HttpConfiguration,
  context: HandlerContext,
): (message: Outbound) => HttpRequest {
  const plain = plainWriter(config, context);
  const path = requestPath(config.restEndpointUrl, context.missing);
  const headers = headerWriters(config, context);
  const sourceOf = templateSource(context);
  // Decided once: most integrations have nothing that differs from message to message but the body.
  if (typeof path === 'string' && headers.length === 0) return plain;
  return (message) => {
    const request = plain(message);
    const source = sourceOf(message);
    const written = { ...request.headers };
    for (const [name, write] of headers) written[name] = write(source);
    return typeof path === 'string'
      ? { ...request, headers: written }
      : { ...request, headers: written, path: path(source) };
  };
}

function plainWriter(config: HttpConfiguration, context: HandlerContext): (message: Outbound) => HttpRequest {
  const method = methodOf(config);
  if (!hasBody(config)) {
    return ({ envelope }) => ({ method, headers: { [HOPS]: String(envelope.hopCount + 1) }, body: null });
  }
  const headers = (contentType: string, hopCount: number) => ({
    'content-type': contentType,
    [HOPS]: String(hopCount + 1),
  });
  if (config.bodyTemplate !== '') {
    const { bodyTemplate } = config;
    const write = templatedBodyWriter({
      ...bodyOptions(config, context),
      bodyTemplate,
      missing: context.missing,
    });
    const sourceOf = templateSource(context);
    return (message) => {
      const { content, contentType } = write(sourceOf(message));
      return { method, headers: headers(contentType, message.envelope.hopCount), body: content };
    };
  }
  const write = bodyWriter(bodyOptions(config, context));
  return ({ envelope }) => {
    const { content, contentType } = write(envelope);
    return { method, headers: headers(contentType, envelope.hopCount), body: content };
  };
}

/** The headers that differ from message to message. */
function headerWriters(config: HttpConfiguration, context: HandlerContext): readonly [string, Write][] {
  const headers = Object.entries(config.headers)
    .filter(([, value]) => hasPlaceholder(value))
    .map(([name, value]): [string, Write] => [
      name.toLowerCase(),
      compileTemplate(value, 'header', context.missing),
    ]);
  const { idempotencyKeyHeader } = config;
  if (idempotencyKeyHeader !== '') headers.push([idempotencyKeyHeader.toLowerCase(), idOf]);
  return headers;
}
