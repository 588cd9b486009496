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
