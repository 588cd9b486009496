import { type Integration, IntegrationSchema } from '../../../gen/penstock/v1/integration_pb.ts';
import { numberOrNone } from '../../contract/integration-type.ts';
import { secretPaths, withoutSecrets } from '../../contract/secrets.ts';
import type { Cluster } from '../status/cluster.ts';
import { type Reports, statusOf } from '../status/status.ts';
import type { Queries } from '../store/database.ts';
import type { StoredIntegration } from '../store/integrations.ts';
import { loadCluster } from '../store/nodes.ts';
import { reportsOf } from '../store/reports.ts';

/** An integration as callers see it, but for the status: without its secrets, but with their paths. */
export function shownOf(stored: StoredIntegration): Integration {
  const answer = withoutSecrets(IntegrationSchema, stored.integration);
  answer.type = numberOrNone(stored.type);
  const sealed = new Set(stored.sealed.map(({ path }) => path));
  answer.setSecrets = [...secretPaths(IntegrationSchema, stored.integration)].flatMap(([path, isSet]) =>
    isSet || sealed.has(path) ? [path] : [],
  );
  return answer;
}

/** An integration as callers see it. */
export function answerOf(stored: StoredIntegration, reports: Reports, cluster: Cluster): Integration {
  const answer = shownOf(stored);
  answer.status = statusOf(stored, reports, cluster);
  return answer;
}

/** What the status of some integrations rests on, as it was at one moment: what is computed from it agrees. */
export interface Snapshot {
  reports(id: string): Reports;
  readonly cluster: Cluster;
}

export async function loadSnapshot(
  queries: Queries,
  stored: readonly StoredIntegration[],
  cluster?: Cluster,
): Promise<Snapshot> {
  const ids = stored.map(({ integration }) => integration.id);
  return { reports: await reportsOf(queries, ids), cluster: cluster ?? (await loadCluster(queries)) };
}

export async function loadAnswers(
  queries: Queries,
  stored: readonly StoredIntegration[],
  cluster?: Cluster,
): Promise<Integration[]> {
  const snapshot = await loadSnapshot(queries, stored, cluster);
  return stored.map((one) => answerOf(one, snapshot.reports(one.integration.id), snapshot.cluster));
}

export async function loadAnswer(queries: Queries, stored: StoredIntegration): Promise<Integration> {
  const [answer] = await loadAnswers(queries, [stored]);
  return answer!;
}
