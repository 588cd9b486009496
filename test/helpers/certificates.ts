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
  const pair = (name: string) => ['-keyout', path(`${name}.key`), '-out', path(`${name}.crt`)];
  openssl('req', '-x509', ...newKey, ...pair('ca'), '-subj', '/CN=test authority', '-days', '2');
  return {
    ca: readFileSync(path('ca.crt'), 'utf8'),
    /** A certificate for this common name and 127.0.0.1. */
    issue(commonName: string): Certificate {
      const signed = ['-CA', path('ca.crt'), '-CAkey', path('ca.key'), '-days', '2'];
      const names = ['-subj', `/CN=${commonName}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
      openssl('req', '-x509', ...newKey, ...pair(commonName), ...names, ...signed);
      return {
        cert: readFileSync(path(`${commonName}.crt`), 'utf8'),
        key: readFileSync(path(`${commonName}.key`), 'utf8'),
      };
    },
  };
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
