import { create, equals } from '@bufbuild/protobuf';
import { SealedSecretsSchema } from '../../../gen/penstock/v1/downlink_pb.ts';
import { IntegrationSchema } from '../../../gen/penstock/v1/integration_pb.ts';
import {
  type Revision,
  RevisionChange,
  RevisionSchema,
} from '../../../gen/penstock/v1/revision_service_pb.ts';
import type { StoredIntegration } from '../store/integrations.ts';
import { shownOf } from './answer.ts';
import { COMPARISON } from './revision.ts';

/** An integration before a change, unset when it is created by it, and after it, unset when it is deleted: never both. */
export interface Change {
  readonly before: StoredIntegration | undefined;
  readonly after: StoredIntegration | undefined;
}

const { CREATED, UPDATED, ENABLED, DISABLED, RESTARTED, DELETED } = RevisionChange;

/** The revision that a change makes; one that deletes has no time yet. */
export function revisionOf({ before, after }: Change, caller: string): Revision {
  const left = (after ?? before)!;
  const { id, generation, updateTime } = left.integration;
  const integration = shownOf(left);
  integration.etag = '';
  return create(RevisionSchema, {
    integrationId: id,
    generation: after ? generation : generation + 1n,
    ...(after && updateTime && { time: updateTime }),
    caller,
    change: kindOf({ before, after }),
    integration,
  });
}

function kindOf({ before, after }: Change): RevisionChange {
  if (!before) return CREATED;
  if (!after) return DELETED;
  const { enabled, restarts, generation, etag, updateTime } = after.integration;
  if (restarts > before.integration.restarts) return RESTARTED;
  if (enabled === before.integration.enabled) return UPDATED;
  const switched = { ...before.integration, enabled, generation, etag, ...(updateTime && { updateTime }) };
  const isAll =
    equals(IntegrationSchema, after.integration, switched, COMPARISON) && isSameSealed(before, after);
  if (!isAll) return UPDATED;
  return enabled ? ENABLED : DISABLED;
}

function isSameSealed(before: StoredIntegration, after: StoredIntegration): boolean {
  const [a, b] = [before, after].map(({ sealed }) => create(SealedSecretsSchema, { secrets: [...sealed] }));
  return equals(SealedSecretsSchema, a!, b!);
}
