import type { TestContext } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import type { Outbound } from '../../src/executor/handlers/handler.ts';
import type { ServerCertificate } from './certificates.ts';
import type { FaultProxy } from './fault-proxy.ts';

export type Configuration = NonNullable<MessageInitShape<typeof IntegrationSchema>['configuration']>;

/** The user that a peer with a password knows, and what its configuration says instead when it is to be wrong. */
export const USERNAME = 'penstock';
export const PASSWORDS = { right: 'the right password', wrong: 'not the password' } as const;

export interface PeerOptions {
  /** It speaks TLS and shows such a certificate. Unset: plain TCP. Never together with `password`. */
  readonly certificate?: ServerCertificate;
  /** It lets only `USERNAME` in, and its configuration has this password. Unset: it lets anybody in. */
  readonly password?: keyof typeof PASSWORDS;
}

/** A real external system for one test, with what all of them have in common. */
export interface Peer {
  /**
   * Delivers payloads to it as they are, in the order they are handed over in, always through `network`. What the type
   * can wait before it connects again is short.
   */
  readonly configuration: Configuration;
  /** The same configuration with another host name. */
  at(host: string): Configuration;
  /** Stands in front of it. Only the handler under test connects through it: its connections are the handler's. */
  readonly network: FaultProxy;
  /** The payloads it took since it started, also before a restart, in the order it took them; none that is on its way. */
  payloads(): Promise<readonly string[]>;
  /** A message that it refuses for good, though it takes others. Not needed when `PeerType.without` says so. */
  readonly refused?: Outbound;
  /** It ends, without a crash, with all its connections, behind a `network` that stays up; and is back. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** What a protocol may not have. */
export type Feature = 'certificate' | 'password' | 'refusal';

export interface PeerType {
  /** Starts one, with nothing in it; it is stopped after the test. */
  start(t: TestContext, options?: PeerOptions): Promise<Peer>;
  /** What its protocol does not have, and why: the tests of that are skipped with this reason. */
  readonly without: Partial<Record<Feature, string>>;
}
