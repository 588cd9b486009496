import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { PemCredentials } from '../../../gen/penstock/v1/credentials_pb.ts';
import { messageOf } from '../../runtime/logger.ts';

/** The parts of Node's TLS options that a configuration can set, in PEM. */
export interface PemOptions {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
}

/** The TLS options of a client for certificates and key in PEM. */
export function pemOptions({ caCert, cert, privateKey, privateKeyPassword }: PemCredentials): PemOptions {
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
