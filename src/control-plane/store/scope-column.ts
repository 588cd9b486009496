import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Scope, ScopeSchema } from '../../../gen/penstock/v1/access_pb.ts';

/** A scope as a column has it; null: all integrations. */
export const encodedScope = (scope: Scope | undefined): Buffer | null =>
  scope ? Buffer.from(toBinary(ScopeSchema, scope)) : null;

export const decodedScope = (column: Uint8Array | null): Scope | undefined =>
  column ? fromBinary(ScopeSchema, column) : undefined;
