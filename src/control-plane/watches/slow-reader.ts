import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { failed, type RpcError } from '../../rpc/error.ts';

/** How long what was sent may wait for its reader, in milliseconds. Much less than a deletion is remembered for. */
export const MAX_ABSENCE = 600_000;

export function tooSlow(): RpcError {
  const text = 'what was sent was not read for minutes: read faster, or set a filter; then watch again';
  return failed(Code.RESOURCE_EXHAUSTED, 'SLOW_READER', text);
}
