import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { messageOf } from './logger.ts';

/** Authorities, certificate and key of one side of TLS, as Node's TLS options have them. */
export interface PemOptions {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
}

/** What is wrong with authorities, certificate and key, for people; undefined: TLS can be spoken with them. */
export function pemProblem(pem: PemOptions): string | undefined {
  try {
    createSecureContext({ ...pem });
    // Node takes authorities that it cannot read, and then trusts nobody.
    if (pem.ca) for (const one of certificatesIn(pem.ca)) new X509Certificate(one);
    return undefined;
  } catch (error) {
    return `cannot be read: ${messageOf(error)}`;
  }
}

function certificatesIn(pem: string): readonly string[] {
  const found = pem.match(/-----BEGIN [A-Z ]*CERTIFICATE-----[^-]*-----END [A-Z ]*CERTIFICATE-----/g);
  if (!found) throw new Error('there is no certificate among the authorities');
  if (found.length < (pem.match(/-----BEGIN [A-Z ]*CERTIFICATE-----/g)?.length ?? 0))
    throw new Error('a certificate is cut off');
  return found;
}
