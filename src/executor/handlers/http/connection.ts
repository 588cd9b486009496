import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { PemCredentials } from '../../../../gen/penstock/v1/credentials_pb.ts';
import type { HttpConfiguration, HttpCredentials } from '../../../../gen/penstock/v1/http_pb.ts';
import { messageOf } from '../../../runtime/logger.ts';

/** The parts of Node's TLS options that a configuration can set, in PEM. */
interface PemOptions {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
}

/** The TLS options of a client for these credentials. */
export function tlsOptions(credentials: HttpCredentials | undefined): PemOptions {
  return credentials?.credentials.case === 'pem' ? pemOptions(credentials.credentials.value) : {};
}

function pemOptions({ caCert, cert, privateKey, privateKeyPassword }: PemCredentials): PemOptions {
  return {
    ...(caCert ? { ca: lines(caCert) } : {}),
    ...(cert ? { cert: lines(cert) } : {}),
    ...(privateKey ? { key: lines(privateKey) } : {}),
    ...(privateKeyPassword ? { passphrase: privateKeyPassword } : {}),
  };
}

/** What is wrong with certificates and key, for people. */
export function tlsProblem(credentials: PemCredentials): string | undefined {
  if (Boolean(credentials.cert) !== Boolean(credentials.privateKey)) {
    return 'a client certificate needs cert and private_key, both in PEM';
  }
  try {
    createSecureContext(pemOptions(credentials));
    // Node takes authorities that it cannot read, and then trusts nobody.
    if (credentials.caCert) for (const one of certificatesIn(credentials.caCert)) new X509Certificate(one);
    return undefined;
  } catch (error) {
    return `cannot be read: ${messageOf(error)}`;
  }
}

function certificatesIn(pem: string): readonly string[] {
  const found = lines(pem).match(/-----BEGIN [A-Z ]*CERTIFICATE-----[^-]*-----END [A-Z ]*CERTIFICATE-----/g);
  if (!found) throw new Error('there is no certificate in ca_cert');
  return found;
}

/** PEM often comes through JSON with its line breaks written as \n. */
const lines = (pem: string) => pem.replaceAll('\\n', '\n');

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
