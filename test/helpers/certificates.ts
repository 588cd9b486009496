import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryDirectory } from './temporary-directory.ts';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** An authority of the test's own that signs certificates, all in PEM. */
export async function certificateAuthority(t: TestContext) {
  const directory = await temporaryDirectory(t);
  const path = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl(
    ...['req', '-x509', ...newKey, '-keyout', path('ca.key'), '-out', path('ca.crt')],
    ...['-subj', '/CN=test authority', '-days', '2'],
  );
  return {
    ca: readFileSync(path('ca.crt'), 'utf8'),
    /** A certificate for this common name and, unless `names` says otherwise, 127.0.0.1. */
    issue(commonName: string, { names = 'IP:127.0.0.1', expired = false } = {}): Certificate {
      const [key, request, cert] = ['key', 'csr', 'crt'].map((kind) => path(`${commonName}.${kind}`));
      openssl(
        ...['req', ...newKey, '-keyout', key!, '-out', request!],
        ...['-subj', `/CN=${commonName}`, '-addext', `subjectAltName=${names}`],
      );
      openssl(
        ...['x509', '-req', '-in', request!, '-copy_extensions', 'copy', '-out', cert!],
        ...['-CA', path('ca.crt'), '-CAkey', path('ca.key'), '-days', expired ? '-1' : '2'],
      );
      return { cert: readFileSync(cert!, 'utf8'), key: readFileSync(key!, 'utf8') };
    },
  };
}

/** What a server of a test shows of itself. */
export type ServerCertificate = 'valid' | 'expired' | 'of another name' | 'of another authority';

/** A certificate for a server on 127.0.0.1, with its key, and the authority that its clients trust. */
export async function serverCertificate(
  t: TestContext,
  kind: ServerCertificate,
): Promise<Certificate & { readonly ca: string }> {
  const authority = await certificateAuthority(t);
  const signer = kind === 'of another authority' ? await certificateAuthority(t) : authority;
  const certificate = signer.issue('server', {
    ...(kind === 'of another name' && { names: 'DNS:another.example' }),
    expired: kind === 'expired',
  });
  return { ...certificate, ca: authority.ca };
}

/** A private key, encrypted with a password. */
export async function encrypted(t: TestContext, key: string, password: string): Promise<string> {
  const file = join(await temporaryDirectory(t), 'key.pem');
  writeFileSync(file, key);
  return execFileSync('openssl', ['pkcs8', '-topk8', '-in', file, '-passout', `pass:${password}`], {
    encoding: 'utf8',
    stdio: 'pipe',
  });
}
