import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { FollowedFiles, type NamedFile } from './followed-files.ts';
import type { Logger } from './logger.ts';
import { type PemOptions, pemProblem } from './pem.ts';

/** Where what a client speaks TLS with lies, in PEM. */
export interface CertificateFiles {
  /** Authorities that servers are trusted by. Unset: those of the system. */
  readonly ca?: NamedFile;
  /** What the client shows of itself, with its key. Unset: nothing. */
  readonly cert?: NamedFile;
  readonly key?: NamedFile;
}

const KINDS = ['ca', 'cert', 'key'] as const;

/**
 * What a client speaks TLS with, as the files are at each call.
 * @throws UserError when they cannot be read, or do not go together
 */
export function followCertificates(files: CertificateFiles, logger: Logger): () => SecureContext {
  const given = KINDS.flatMap((kind) => (files[kind] ? [{ kind, file: files[kind] }] : []));
  const make = (texts: readonly string[]): SecureContext => {
    const pem: PemOptions = Object.fromEntries(given.map(({ kind }, i) => [kind, texts[i]]));
    if (texts.some((text) => text.trim() === '')) throw new Error('a file is empty');
    const problem = pemProblem(pem);
    if (problem !== undefined) throw new Error(problem);
    return createSecureContext({ ...pem, ca: pem.ca ?? systemAuthorities() });
  };
  const followed = new FollowedFiles(
    given.map(({ file }) => file),
    make,
    logger,
  );
  return () => followed.current();
}

/** Those of the system, and of NODE_EXTRA_CA_CERTS; where it has none, as in small containers, Node's own. */
export function systemAuthorities(): string[] {
  const system = getCACertificates('system');
  return system.length === 0
    ? getCACertificates('default')
    : [...new Set([...system, ...getCACertificates('extra')])];
}
