import { toBinary } from '@bufbuild/protobuf';
import { AccessRecordSchema } from '../../../gen/penstock/v1/access_pb.ts';
import type { Grants } from '../../access/grants.ts';
import type { Bus } from '../../bus/bus.ts';
import type { Topics } from '../../bus/topics.ts';
import { Periodic, type PeriodicDeps } from '../periodic.ts';
import type { Database } from '../store/database.ts';
import { loadAccess, nextVersion } from '../store/tokens.ts';

/** How soon an old record that came last is put right, in milliseconds. */
const INTERVAL = 30_000;
const KEY = 'access';

export interface PublishAccessDeps {
  readonly db: Pick<Database, 'query'>;
  readonly bus: Pick<Bus, 'send'>;
  readonly topics: Topics;
  /** Those of this node. Unset: it lets in whoever asks. */
  readonly grants?: Pick<Grants, 'put'> | undefined;
}

/** Makes the tokens known to every node, to this one at once. Call it after each change. Rejects when Kafka does not take it. */
export async function publishAccess({ db, bus, topics, grants }: PublishAccessDeps): Promise<void> {
  let sent = -1n;
  for (;;) {
    const access = await loadAccess(db);
    if (access.version <= sent) return;
    grants?.put(access.version, access.tokens);
    await bus.send(topics.access.name, { key: KEY, value: toBinary(AccessRecordSchema, access) });
    // Another node may have sent a newer one in between, which then lies before this one.
    sent = access.version;
  }
}

/**
 * Makes them known again and again: what a node that died had on its way may have come last. First as new: PostgreSQL may be
 * restored from a backup.
 */
export function startPublishingAccess(deps: PublishAccessDeps & PeriodicDeps): Periodic {
  let isNew = true;
  const work = async () => {
    if (isNew) await nextVersion(deps.db);
    isNew = false;
    await publishAccess(deps);
    return false;
  };
  return new Periodic({ name: 'publishing the API tokens', interval: INTERVAL, work }, deps);
}
