import type { HttpConfiguration, HttpCredentials } from '../../../../gen/penstock/v1/http_pb.ts';
import { type PemOptions, pemOptions } from '../tls.ts';

/** The TLS options of a client for these credentials. */
export function tlsOptions(credentials: HttpCredentials | undefined): PemOptions {
  return credentials?.credentials.case === 'pem' ? pemOptions(credentials.credentials.value) : {};
}

/** The headers that every request of this configuration carries, by lower-case names. */
export function fixedHeaders(config: HttpConfiguration): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(config.headers)) headers[name.toLowerCase()] = value;
  const credentials = config.credentials?.credentials;
  if (credentials?.case === 'basic') {
    const { username, password } = credentials.value;
    headers.authorization = `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`;
  }
  return headers;
}
