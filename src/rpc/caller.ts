import type { X509Certificate } from 'node:crypto';
import { CallerKind, Role, type Scope } from '../../gen/penstock/v1/access_pb.ts';

/** Who calls. */
export interface Caller {
  /** What audit records and revisions name it by. */
  readonly name: string;
  readonly kind: CallerKind;
  readonly role: Role;
  /** The integrations that it may see and act on. Unset: all. */
  readonly scope?: Scope | undefined;
  /** Of a token that was made. */
  readonly tokenId?: string | undefined;
  /** Of a session of a browser. */
  readonly sessionId?: string | undefined;
  /** The IP address that the call came from. */
  readonly address: string;
}

/** What a call shows of who makes it. */
export interface Presented {
  /** The header `authorization`. */
  readonly authorization: string | undefined;
  /** The cookie of a session, when the call surely comes from a page of this server. */
  readonly session: string | undefined;
  readonly address: string;
  /** The client certificate, which an authority of PENSTOCK_TLS_CLIENT_CA_FILE has signed. */
  certificate(): X509Certificate | undefined;
}

/** Who it is that shows this; undefined: nobody who is let in. Rejects when that cannot be known now. */
export type Authenticate = (presented: Presented) => Promise<Caller | undefined>;

/** Where no login is configured. */
export const letAnybodyIn: Authenticate = ({ address }) =>
  Promise.resolve({ name: 'anybody', kind: CallerKind.ANYBODY, role: Role.ADMIN, address });

/** Who calls what whoever asks is answered. */
export const stranger = (address: string): Caller => ({
  name: '',
  kind: CallerKind.UNSPECIFIED,
  role: Role.UNSPECIFIED,
  address,
});

/** Addresses that one machine has at its choice are one: an IPv6 network of 64 bits. Those of IPv4 are written alike. */
export function addressKey(address: string): string {
  const ipv4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (ipv4 !== undefined) return ipv4;
  if (!address.includes(':')) return address;
  const [before = '', after] = address.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => parseInt(group, 16)));
  const [left, right] = [groups(before), groups(after ?? '')];
  const all = [...left, ...Array(Math.max(0, 8 - left.length - right.length)).fill(0), ...right];
  return `${all
    .slice(0, 4)
    .map((group: number) => group.toString(16))
    .join(':')}::/64`;
}
