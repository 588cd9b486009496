import { X509Certificate } from 'node:crypto';
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import { FollowedFiles, type NamedFile } from '../runtime/followed-files.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { pemProblem } from '../runtime/pem.ts';

/** How often the files are looked at, in milliseconds. */
const INTERVAL = 5000;

/** Paths of files in PEM. */
export interface TlsPaths {
  /** The certificate of the server, and behind it those that lead to its authority. */
  readonly cert: string;
  /** Its private key, not encrypted. */
  readonly key: string;
  /** The authorities that sign certificates of clients. Unset: clients need none. */
  readonly clientCa?: string;
  /** Whether clients may also come without a certificate. Unset: they may not. */
  readonly isClientOptional?: boolean;
}

/** What is in the files. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
}

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'tlsExpiry'>;
}

/** What listeners with TLS show, and ask of their clients: certificates are renewed by putting others in their place. */
export class TlsFiles implements Disposable {
  /** Whether clients are asked for a certificate. */
  readonly asksClients: boolean;
  /** Whether they have to show one. */
  readonly needsClients: boolean;
  readonly #deps: Deps;
  readonly #files: FollowedFiles<TlsMaterial>;
  readonly #listeners = new Set<(material: TlsMaterial) => void>();
  #material: TlsMaterial;
  #cancelTimer: CancelTimer = () => {};

  /** @throws UserError when a file cannot be read, or they do not fit together */
  constructor({ cert, key, clientCa, isClientOptional = false }: TlsPaths, deps: Deps) {
    const files: NamedFile[] = [
      { path: cert, from: 'PENSTOCK_TLS_CERT_FILE' },
      { path: key, from: 'PENSTOCK_TLS_KEY_FILE' },
    ];
    if (clientCa !== undefined) files.push({ path: clientCa, from: 'PENSTOCK_TLS_CLIENT_CA_FILE' });
    this.asksClients = clientCa !== undefined;
    this.needsClients = this.asksClients && !isClientOptional;
    this.#deps = deps;
    this.#files = new FollowedFiles(files, materialOf, deps.logger);
    this.#material = this.#files.current();
    this.#tellExpiry();
    this.#wait();
  }

  get material(): TlsMaterial {
    return this.#material;
  }

  /** Called with what is in the files each time that is something else; the answer ends it. */
  onChange(listener: (material: TlsMaterial) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  [Symbol.dispose](): void {
    this.#cancelTimer();
  }

  #wait(): void {
    this.#cancelTimer = this.#deps.clock.setTimer(() => this.#look(), INTERVAL, { unref: true });
  }

  #look(): void {
    this.#wait();
    const material = this.#files.current();
    if (material === this.#material) return;
    this.#material = material;
    this.#tellExpiry();
    for (const listener of this.#listeners) listener(material);
  }

  #tellExpiry(): void {
    const { validTo } = new X509Certificate(this.#material.cert);
    this.#deps.metrics.tlsExpiry.set(new Date(validTo).getTime() / 1000);
  }
}

function materialOf(texts: readonly string[]): TlsMaterial {
  if (texts.some((text) => text.trim() === '')) throw new Error('a file is empty');
  const [cert = '', key = '', ca] = texts;
  const material = { cert, key, ...(ca !== undefined && { ca }) };
  const problem = pemProblem(material);
  if (problem !== undefined) throw new Error(problem);
  new X509Certificate(cert); // throws when there is none
  return material;
}
