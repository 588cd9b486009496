import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Code } from '../../../gen/google/rpc/code_pb.ts';
import { CallerKind, Role } from '../../../gen/penstock/v1/access_pb.ts';
import type { AuditRecord } from '../../../gen/penstock/v1/audit_service_pb.ts';
import { AuditRecordSchema } from '../../../gen/penstock/v1/audit_service_pb.ts';
import type { Caller } from '../../rpc/caller.ts';
import { insertAuditRecord } from '../store/audit-records.ts';
import type { Queries } from '../store/database.ts';
import type { Difference } from './differences.ts';

/** What a call is told of for the audit. */
export interface Audited {
  readonly caller: Caller;
  /** The RPC, or the command. */
  readonly method: string;
  readonly serviceId: string;
  /** Wall-clock time in milliseconds. */
  now(): number;
}

/** Keeps what a call changes, where it is changed. */
export class AuditTrail {
  /** Of the record: a call has one. */
  readonly #id = randomUUID();
  #time: number | undefined;
  #of: Audited;
  #secrets: readonly string[] = [];

  constructor(of: Audited) {
    this.#of = of;
  }

  /** Who it is, that was not known when the call began. */
  identify(caller: Caller): void {
    this.#of = { ...this.#of, caller };
  }

  /** Secrets that get another value, by their paths: what is stored of them does not show it. */
  secretsChanged(paths: readonly string[]): void {
    this.#secrets = paths;
  }

  /** Keeps the record of a change, in the transaction that makes it. */
  async changed(queries: Queries, resource: string, differences: readonly Difference[]): Promise<void> {
    const known = new Set(differences.map(({ path }) => path));
    const secrets = this.#secrets.filter((path) => !known.has(path));
    const changes = [...differences, ...secrets.map((path) => ({ path, secret: true }))];
    await insertAuditRecord(queries, this.record({ resource, changes }));
  }

  /** The record of the call as it came out. */
  record(outcome: {
    readonly resource: string;
    readonly changes?: readonly Difference[];
    readonly code?: Code;
    readonly reason?: string;
  }): AuditRecord {
    const { caller, method, serviceId, now } = this.#of;
    this.#time ??= now();
    return create(AuditRecordSchema, {
      id: this.#id,
      time: timestampFromMs(this.#time),
      caller: caller.name,
      callerKind: caller.kind,
      role: caller.role,
      tokenId: caller.tokenId ?? '',
      address: caller.address,
      method,
      serviceId,
      resource: outcome.resource,
      ...(outcome.code !== undefined && { code: outcome.code }),
      reason: outcome.reason ?? '',
      changes: [...(outcome.changes ?? [])],
    });
  }
}

/** Of a command on a node: who may use the database may do everything. */
export function trailOfCommand(command: string, serviceId: string, clock: { now(): number }): AuditTrail {
  const caller = { name: command, kind: CallerKind.COMMAND, role: Role.ADMIN, address: '' };
  return new AuditTrail({ caller, method: command, serviceId, now: () => clock.now() });
}

const trails = new WeakMap<Caller, AuditTrail>();

/** The caller of one call, with its trail: whoever is handed the caller on can keep what it changes. */
export function withTrail(caller: Caller, trail: AuditTrail): Caller {
  const own = { ...caller };
  trails.set(own, trail);
  return own;
}

/** Of a call that is audited. Undefined: it is not, such as one of the system's own. */
export const trailOf = (caller: Caller): AuditTrail | undefined => trails.get(caller);
