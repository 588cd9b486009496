import type { X509Certificate } from 'node:crypto';
import { CallerKind, type Role } from '../../gen/penstock/v1/access_pb.ts';
import type { Caller } from '../rpc/caller.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Settings } from '../runtime/settings.ts';
import { UserError } from '../runtime/user-error.ts';
import { roleList } from './role-list.ts';

/** What any certificate stands for. */
const ANY = '*';

type CertificateSettings = Pick<
  Settings,
  'PENSTOCK_TLS_CLIENT_ROLES' | 'PENSTOCK_TLS_CLIENT_CERT' | 'PENSTOCK_TLS_CLIENT_CA_FILE'
>;

/**
 * The roles by names of client certificates; undefined: certificates give none.
 * @throws UserError when settings contradict each other, or cannot be used
 */
export function certificateRoles(settings: CertificateSettings): ReadonlyMap<string, Role> | undefined {
  const { PENSTOCK_TLS_CLIENT_ROLES: items, PENSTOCK_TLS_CLIENT_CERT: demand } = settings;
  if (settings.PENSTOCK_TLS_CLIENT_CA_FILE === '') {
    const stray = items.length > 0 ? 'PENSTOCK_TLS_CLIENT_ROLES' : 'PENSTOCK_TLS_CLIENT_CERT=optional';
    if (items.length === 0 && demand === 'required') return undefined;
    throw new UserError(
      `${stray} needs PENSTOCK_TLS_CLIENT_CA_FILE, the authorities that sign certificates of clients: set it, too`,
    );
  }
  if (items.length > 0) return roleList(items, 'PENSTOCK_TLS_CLIENT_ROLES');
  if (demand === 'required') return undefined;
  throw new UserError(
    'PENSTOCK_TLS_CLIENT_CERT=optional makes certificates good for nothing without PENSTOCK_TLS_CLIENT_ROLES: set that, too',
  );
}

interface Identity {
  readonly name: string;
  readonly role: Role;
  /** From when until when it holds; wall-clock time in milliseconds. */
  readonly begin: number;
  readonly end: number;
}

/** Lets callers in by their client certificates. */
export class Certificates {
  readonly #roles: ReadonlyMap<string, Role>;
  readonly #clock: Pick<Clock, 'now'>;
  /** Null: of nobody. */
  readonly #known = new WeakMap<X509Certificate, Identity | null>();

  constructor(roles: ReadonlyMap<string, Role>, clock: Pick<Clock, 'now'>) {
    this.#roles = roles;
    this.#clock = clock;
  }

  /** Whose certificate it is; undefined: nobody's who is let in, or its time is over, also over a connection from before. */
  callerOf(certificate: X509Certificate, address: string): Caller | undefined {
    let known = this.#known.get(certificate);
    if (known === undefined) {
      known = identityOf(certificate, this.#roles) ?? null;
      this.#known.set(certificate, known);
    }
    const now = this.#clock.now();
    if (known === null || now < known.begin || now >= known.end) return undefined;
    return { name: known.name, kind: CallerKind.CERTIFICATE, role: known.role, address };
  }
}

function identityOf(certificate: X509Certificate, roles: ReadonlyMap<string, Role>): Identity | undefined {
  const names = namesOf(certificate);
  const listed = names.find((name) => roles.has(name));
  const role = roles.get(listed ?? ANY);
  const name = listed ?? names[0];
  if (role === undefined || name === undefined) return undefined;
  const { validFromDate, validToDate } = certificate;
  return { name, role, begin: validFromDate.getTime(), end: validToDate.getTime() };
}

/** The names in a certificate: its URIs, then its DNS names, then the common name of its subject. */
export function namesOf(
  certificate: Pick<X509Certificate, 'subjectAltName' | 'toLegacyObject'>,
): readonly string[] {
  const alternatives = alternativesIn(certificate.subjectAltName ?? '');
  const of = (kind: string) => alternatives.flatMap(([one, name]) => (one === kind ? [name] : []));
  const common: unknown = certificate.toLegacyObject().subject?.CN;
  const names = [...of('URI'), ...of('DNS'), ...(Array.isArray(common) ? common : [common])];
  // As the one that stands for all it would be anybody's, and nobody has an empty one.
  return names.filter((name) => typeof name === 'string' && name !== ANY && isName(name));
}

const isName = (text: string) => text.length > 0 && text.length <= 255 && /^\P{C}+$/u.test(text);

/** Of `DNS:a.example, URI:"spiffe://with, comma"`: names that hold what could end them stand there as JSON texts. */
function alternativesIn(text: string): readonly (readonly [kind: string, name: string])[] {
  const parts = text.matchAll(/([^:,\s][^:,]*):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g);
  return [...parts].flatMap(([, kind = '', name = '']) => {
    if (!name.startsWith('"')) return [[kind, name] as const];
    const read: unknown = JSON.parse(name);
    return typeof read === 'string' ? [[kind, read] as const] : [];
  });
}
