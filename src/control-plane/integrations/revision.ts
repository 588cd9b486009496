import { randomBytes } from 'node:crypto';
import { clone, createRegistry, equals } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type Integration,
  IntegrationSchema,
  IntegrationType,
} from '../../../gen/penstock/v1/integration_pb.ts';
import type { StoredIntegration } from '../store/integrations.ts';

/** Fields that only a newer version knows count too. */
export const COMPARISON = { registry: createRegistry(IntegrationSchema), unknown: true };

/** Random, not computed from the content: that would let anyone who sees it try out passwords. */
const newEtag = () => randomBytes(12).toString('base64url');

/** What is to be sealed and stored of a new integration; what the request says of fields that the server sets does not count. */
export function firstRevision(draft: Integration, id: string, now: number): StoredIntegration {
  const integration = { ...withoutAnswerFields(draft), id, generation: 1n, restarts: 0n, etag: newEtag() };
  integration.createTime = integration.updateTime = timestampFromMs(now);
  const type = integration.configuration.case ?? ''; // none: it is not valid, and not stored
  const more = { sealed: [], topicState: 'kept', topicIncarnation: 1 } as const;
  return { integration, type, enabledChangeTime: new Date(now), ...more };
}

/** What is stored after a change, or `stored` itself when nothing changes. */
export function nextRevision(
  stored: StoredIntegration,
  changed: Integration,
  now: number,
): StoredIntegration {
  const before = stored.integration;
  if (equals(IntegrationSchema, changed, before, COMPARISON)) return stored;
  const integration = {
    ...withoutAnswerFields(changed),
    id: before.id,
    generation: before.generation + 1n,
    etag: newEtag(),
    updateTime: timestampFromMs(now),
  };
  const isSwitched = integration.enabled !== before.enabled;
  return { ...stored, integration, enabledChangeTime: isSwitched ? new Date(now) : stored.enabledChangeTime };
}

function withoutAnswerFields(integration: Integration): Integration {
  const copy = clone(IntegrationSchema, integration);
  delete copy.status;
  copy.setSecrets = [];
  copy.type = IntegrationType.UNSPECIFIED;
  return copy;
}
