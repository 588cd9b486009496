import assert from 'node:assert/strict';
import { BadRequestSchema, ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { detailOf, RpcError } from '../../src/rpc/error.ts';

/** What a call fails with, in parts that are easily compared. */
export async function rpcRejection(call: () => Promise<unknown>) {
  const error = await call().then(
    () => assert.fail('the call succeeded'),
    (reason) => reason,
  );
  assert.ok(error instanceof RpcError, String(error));
  return {
    code: error.code,
    message: error.message,
    reason: detailOf(error, ErrorInfoSchema)?.reason,
    fields: detailOf(error, BadRequestSchema)?.fieldViolations.map(({ field }) => field) ?? [],
  };
}
