import { IntegrationSchema } from '../../../gen/penstock/v1/integration_pb.ts';
import { shownOf } from '../integrations/answer.ts';
import type { Change } from '../integrations/revision-of.ts';
import { type Difference, differences } from './differences.ts';

/** What the server sets with each change, and says elsewhere. */
const SERVER_FIELDS = ['id', 'status', 'create_time', 'update_time', 'etag', 'set_secrets', 'type'];

/** What a change makes different in an integration; of its secrets, which there are. */
export function integrationDifferences({ before, after }: Change): readonly Difference[] {
  const [was, is] = [before && shownOf(before), after && shownOf(after)];
  const [had, has] = [was?.setSecrets ?? [], is?.setSecrets ?? []];
  const paths = [...had.filter((path) => !has.includes(path)), ...has.filter((path) => !had.includes(path))];
  const secrets = paths.map((path) => ({ path, secret: true }));
  return [...differences(IntegrationSchema, was, is, SERVER_FIELDS), ...secrets];
}
