import type { WatchRequest, WatchResponse } from '../../../gen/penstock/v1/watch_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { wholeWatch } from '../watches/whole-watch.ts';
import type { RouteDeps } from './deps.ts';

export function watch(
  { watches, clock }: RouteDeps,
  request: WatchRequest,
  { caller, signal }: CallContext,
): AsyncIterable<WatchResponse> {
  return watches.watch(wholeWatch(request, caller, watches, clock, signal));
}
