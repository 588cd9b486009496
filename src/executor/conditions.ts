import type { Condition } from '../runtime/readiness.ts';
import type { Restore } from './lifecycle/restore.ts';

/** A lease ends some seconds after the last heartbeat that Kafka has answered; a rebalance that hangs may end it. Milliseconds. */
const LEASE_PATIENCE = 5000;
/** Partitions that come with a rebalance are read within a second or two. */
const RESTORE_PATIENCE = 15_000;
/** Of the partitions that are not read, so many are named. */
const NAMED = 3;

/** What an executor cannot do without: its membership in the group, and the configuration of what it is to deliver. */
export function executorConditions(
  restore: Pick<Restore, 'membership' | 'restoring' | 'unread'>,
): readonly Condition[] {
  return [
    { name: 'restore', patience: 0, trouble: () => restore.restoring },
    {
      name: 'lease',
      patience: LEASE_PATIENCE,
      trouble: () =>
        restore.membership.holdsLease()
          ? undefined
          : 'Kafka has not answered this executor lately, or waits for it to join anew: it begins nothing, others may take over',
    },
    {
      name: 'integrations',
      patience: RESTORE_PATIENCE,
      trouble() {
        const { unread } = restore;
        const more = unread.length > NAMED ? ', …' : '';
        return unread.length === 0
          ? undefined
          : `${unread.length} partitions of the configuration are not read yet: ${unread.slice(0, NAMED).join(', ')}${more}`;
      },
    },
  ];
}
