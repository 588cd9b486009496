import { invalidArgument } from '../rpc/error.ts';

/** The order of a list: by a field, and where that is the same by id, in the same direction. */
export interface Order<F extends string = string> {
  readonly by: F;
  readonly isDescending: boolean;
}

/**
 * What an `order_by` says (AIP-132), of one field; `usual` when it is empty.
 * @throws RpcError INVALID_ARGUMENT when it names none of these fields
 */
export function orderOf<F extends string>(orderBy: string, fields: readonly F[], usual: Order<F>): Order<F> {
  const [name, direction, ...rest] = orderBy.trim().split(/\s+/);
  if (name === '') return usual;
  const by = fields.find((field) => field === name);
  if (by !== undefined && (direction === undefined || direction === 'desc') && rest.length === 0) {
    return { by, isDescending: direction === 'desc' };
  }
  const known = fields.flatMap((field) => [field, `${field} desc`]).join(', ');
  throw invalidArgument([{ field: 'order_by', description: `must be one of: ${known}`, reason: 'ORDER_BY' }]);
}
