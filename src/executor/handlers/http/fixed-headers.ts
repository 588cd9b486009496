import type { BasicCredentials } from '../../../../gen/penstock/v1/credentials_pb.ts';
import type { HttpConfiguration } from '../../../../gen/penstock/v1/http_pb.ts';
import { hasPlaceholder } from '../../../contract/endpoint-url.ts';

/** The headers that every request of this configuration carries, by lower-case names. */
export function fixedHeaders(config: HttpConfiguration): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(config.headers)) {
    if (!hasPlaceholder(value)) headers[name.toLowerCase()] = value;
  }
  for (const { name, value = '' } of config.secretHeaders) headers[name.toLowerCase()] = value;
  const credentials = config.credentials?.credentials;
  if (credentials?.case === 'basic') headers.authorization = basicAuthorization(credentials.value);
  if (credentials?.case === 'bearer') headers.authorization = `Bearer ${credentials.value.token ?? ''}`;
  return headers;
}

export function basicAuthorization({ username, password = '' }: BasicCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
