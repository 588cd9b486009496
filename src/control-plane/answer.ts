import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { setSecretPaths, withoutSecrets } from '../contract/secrets.ts';
import { type Reports, statusOf } from './status.ts';
import type { Queries } from './store/database.ts';
import type { StoredIntegration } from './store/integrations.ts';
import { reportsOf } from './store/reports.ts';

/** An integration as callers see it: without its secrets, but with their paths and the status. */
export function answerOf(stored: StoredIntegration, reports: Reports): Integration {
  const answer = withoutSecrets(IntegrationSchema, stored.integration);
  answer.setSecrets = setSecretPaths(IntegrationSchema, stored.integration);
  answer.status = statusOf(stored, reports);
  return answer;
}

export async function loadAnswers(
  queries: Queries,
  stored: readonly StoredIntegration[],
): Promise<Integration[]> {
  const reports = await reportsOf(
    queries,
    stored.map(({ integration }) => integration.id),
  );
  return stored.map((one) => answerOf(one, reports(one.integration.id)));
}

export async function loadAnswer(queries: Queries, stored: StoredIntegration): Promise<Integration> {
  const [answer] = await loadAnswers(queries, [stored]);
  return answer!;
}
