import { type HttpConfiguration, HttpMethod } from '../../gen/penstock/v1/http_pb.ts';
import { bodyWriter } from './body.ts';
import { hasPlaceholder, requestPath, type Write } from './endpoint-url.ts';
import { HOPS } from './hops.ts';
import { idOf } from './placeholders.ts';
import { compileTemplate } from './template.ts';
import { templatedBodyWriter } from './templated-body.ts';
import { bodyOptions, type PlacedEnvelope, templateSource, type WritingContext } from './written-message.ts';

export interface HttpRequest {
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'GET' | 'DELETE' | 'HEAD' | 'OPTIONS';
  /** Path and query; unset: the configuration's. */
  readonly path?: string;
  /** On top of the configuration's own, which win. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | null;
}

const METHODS: ReadonlyMap<HttpMethod, HttpRequest['method']> = new Map([
  [HttpMethod.PUT, 'PUT'],
  [HttpMethod.PATCH, 'PATCH'],
  [HttpMethod.GET, 'GET'],
  [HttpMethod.DELETE, 'DELETE'],
]);

export const methodOf = ({ requestMethod }: HttpConfiguration) => METHODS.get(requestMethod) ?? 'POST';
export const hasBody = (config: HttpConfiguration) => !['GET', 'DELETE'].includes(methodOf(config));

/**
 * The headers that every request of a configuration carries, by lower-case names.
 * @param authorization made of its credentials; undefined: none that all requests have
 * @param written what a secret is written as; unset: itself
 */
export function fixedHeaders(
  { headers, secretHeaders }: HttpConfiguration,
  authorization: string | undefined,
  written: (secret: string) => string = (secret) => secret,
): Record<string, string> {
  const fixed: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!hasPlaceholder(value)) fixed[name.toLowerCase()] = value;
  }
  for (const { name, value = '' } of secretHeaders) fixed[name.toLowerCase()] = written(value);
  if (authorization !== undefined) fixed.authorization = authorization;
  return fixed;
}

/** A function that writes a message as a request. It throws an `UnencodableError`. */
export function requestWriter(
  config: HttpConfiguration,
  context: WritingContext,
): (message: PlacedEnvelope) => HttpRequest {
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

function plainWriter(
  config: HttpConfiguration,
  context: WritingContext,
): (message: PlacedEnvelope) => HttpRequest {
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
function headerWriters(config: HttpConfiguration, context: WritingContext): readonly [string, Write][] {
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
