import { Code } from '../../../gen/google/rpc/code_pb.ts';
import type { Caller } from '../../rpc/caller.ts';
import { failed, invalidArgument, notFound } from '../../rpc/error.ts';
import { areInScope, type Scoped } from '../access/scope.ts';
import type { Queries } from '../store/database.ts';
import { findJobRow, type JobKind, type JobRow } from '../store/jobs.ts';

/**
 * A job whose source and target the caller may know of. With `lock`, they stay so until the transaction ends.
 * @throws RpcError NOT_FOUND, the same for one that is not there
 */
export async function findJobInScope(
  queries: Queries,
  caller: Scoped,
  kind: JobKind,
  id: string,
  lock = false,
): Promise<JobRow> {
  const row = await findJobRow(queries, id);
  if (row?.kind === kind && (await isJobInScope(queries, caller, row, lock))) return row;
  throw notFound(`${kind} ${id}`);
}

/**
 * What a request with this id has started, if any has.
 * @throws RpcError PERMISSION_DENIED when that is not for the caller to see, INVALID_ARGUMENT when it is of another kind
 */
export async function earlierJob(
  queries: Queries,
  caller: Caller,
  kind: JobKind,
  requestId: string,
): Promise<JobRow | undefined> {
  const row = requestId === '' ? undefined : await findJobRow(queries, requestId);
  if (row && !(await isJobInScope(queries, caller, row))) {
    const text = `the request_id ${requestId} cannot be used by ${caller.name}: take a new one`;
    throw failed(Code.PERMISSION_DENIED, 'OUT_OF_SCOPE', text);
  }
  if (!row || row.kind === kind) return row;
  const description = `has started a ${row.kind} already: take a new one`;
  throw invalidArgument([{ field: 'request_id', description, reason: 'REQUEST_ID_USED' }]);
}

/** Whether the caller may know of its source and its target. */
function isJobInScope(queries: Queries, caller: Scoped, row: JobRow, lock = false): Promise<boolean> {
  return areInScope(queries, caller, [row.integration_id, row.target_integration_id], lock);
}
