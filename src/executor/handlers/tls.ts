import type { PemCredentials } from '../../../gen/penstock/v1/credentials_pb.ts';
import { type PemOptions, pemProblem } from '../../runtime/pem.ts';

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
  return pemProblem(pemOptions(credentials));
}

/** PEM often comes through JSON with its line breaks written as \n. */
const lines = (pem: string) => pem.replaceAll('\\n', '\n');
