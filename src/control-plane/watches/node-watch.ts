import type { Node } from '../../../gen/penstock/v1/cluster_service_pb.ts';
import type { ScopeSelection } from '../store/scoped.ts';
import { Bell } from './bell.ts';
import type { NodeFeed } from './node-feed.ts';
import type { SharedFeed } from './shared-feed.ts';

/** The nodes that run as callers of a scope see them, first as they are, then whenever that changed, until the signal aborts. */
export async function* nodeLists(
  feeds: SharedFeed<NodeFeed>,
  scope: ScopeSelection | undefined,
  signal: AbortSignal,
): AsyncGenerator<readonly Node[]> {
  const bell = new Bell();
  using joined = feeds.join(bell);
  using watched = joined.feed.join(scope, bell);
  for (let told: string | undefined; ; ) {
    bell.throwIfFailed();
    const { nodes, digest } = await watched.seen(signal);
    if (digest === told) await bell.rung(signal);
    else yield nodes;
    told = digest;
  }
}
