import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { pemProblem } from '../runtime/pem.ts';
import { UserError } from '../runtime/user-error.ts';

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
}

/** What is in the files. */
export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
}

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'tlsExpiry'>;
}

/**
 * What listeners with TLS show, and ask of their clients. The files are read again when they change: certificates are
 * renewed by putting others in their place. What does not fit together, as between the writing of a certificate and of its
 * key, is not taken, and what was there before goes on.
 */
export class TlsFiles implements Disposable {
  readonly #paths: TlsPaths;
  readonly #deps: Deps;
  readonly #listeners = new Set<(material: TlsMaterial) => void>();
  #material: TlsMaterial;
  /** Why the last look brought nothing; it is told once. */
  #trouble = '';
  #cancelTimer: CancelTimer = () => {};
  #isClosed = false;

  private constructor(paths: TlsPaths, material: TlsMaterial, deps: Deps) {
    this.#paths = paths;
    this.#material = material;
    this.#deps = deps;
    this.#tellExpiry();
    this.#wait();
  }

  /** @throws UserError when a file cannot be read, or they do not fit together */
  static async open(paths: TlsPaths, deps: Deps): Promise<TlsFiles> {
    try {
      return new TlsFiles(paths, await read(paths), deps);
    } catch (error) {
      const text = `TLS cannot begin (${messageOf(error)}): check PENSTOCK_TLS_CERT_FILE, PENSTOCK_TLS_KEY_FILE and PENSTOCK_TLS_CLIENT_CA_FILE`;
      throw new UserError(text, { cause: error });
    }
  }

  get material(): TlsMaterial {
    return this.#material;
  }

  /** Whether clients have to show a certificate. */
  get asksClients(): boolean {
    return this.#paths.clientCa !== undefined;
  }

  /** Called with what is in the files each time that is something else; the answer ends it. */
  onChange(listener: (material: TlsMaterial) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#cancelTimer();
  }

  #wait(): void {
    if (this.#isClosed) return;
    this.#cancelTimer = this.#deps.clock.setTimer(() => void this.#look(), INTERVAL, { unref: true });
  }

  async #look(): Promise<void> {
    const { logger } = this.#deps;
    try {
      const material = await read(this.#paths);
      if (this.#isClosed) return;
      this.#trouble = '';
      if (!isSame(material, this.#material)) {
        this.#material = material;
        this.#tellExpiry();
        logger.info('the certificate for TLS is another one now', { until: validTo(material).toISOString() });
        for (const listener of this.#listeners) listener(material);
      }
    } catch (error) {
      const trouble = messageOf(error);
      if (trouble !== this.#trouble) {
        logger.warn('the files for TLS cannot be used: those from before are', { error: trouble });
      }
      this.#trouble = trouble;
    }
    this.#wait();
  }

  #tellExpiry(): void {
    this.#deps.metrics.tlsExpiry.set(validTo(this.#material).getTime() / 1000);
  }
}

async function read({ cert, key, clientCa }: TlsPaths): Promise<TlsMaterial> {
  const material = {
    cert: await readFile(cert),
    key: await readFile(key),
    ...(clientCa !== undefined && { ca: await readFile(clientCa) }),
  };
  const { ca } = material;
  const problem = pemProblem({
    cert: `${material.cert}`,
    key: `${material.key}`,
    ...(ca && { ca: `${ca}` }),
  });
  if (problem !== undefined) throw new Error(problem);
  if (ca?.length === 0) throw new Error(`${clientCa} is empty`);
  new X509Certificate(material.cert); // throws when there is none
  return material;
}

const validTo = ({ cert }: TlsMaterial) => new Date(new X509Certificate(cert).validTo);

const isSame = (a: TlsMaterial, b: TlsMaterial) =>
  a.cert.equals(b.cert) && a.key.equals(b.key) && (a.ca === b.ca || (!!a.ca && !!b.ca && a.ca.equals(b.ca)));
