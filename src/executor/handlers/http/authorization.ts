import type { BasicCredentials } from '../../../../gen/penstock/v1/credentials_pb.ts';
import type { HttpConfiguration } from '../../../../gen/penstock/v1/http_pb.ts';

/** What every request of this configuration shows; undefined: nothing, or what is asked for first. */
export function authorizationOf(config: HttpConfiguration): string | undefined {
  const credentials = config.credentials?.credentials;
  if (credentials?.case === 'basic') return basicAuthorization(credentials.value);
  return credentials?.case === 'bearer' ? `Bearer ${credentials.value.token ?? ''}` : undefined;
}

export function basicAuthorization({ username, password = '' }: BasicCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
