import { create, fromJsonString, toJsonString } from '@bufbuild/protobuf';
import { type Integration, IntegrationSchema } from '../../../../src/client/contract.ts';
import { withoutSecrets } from '../../../../src/contract/secrets.ts';

// A draft outlives a reload, without its secrets: those are typed again.

const keyOf = (id: string) => `penstock.draft.${id}`;

/** @param id of the integration; `new`: of one that is not there yet */
export function keepDraft(id: string, draft: Integration): void {
  try {
    sessionStorage.setItem(
      keyOf(id),
      toJsonString(IntegrationSchema, withoutSecrets(IntegrationSchema, draft)),
    );
  } catch {
    // It lasts as long as the page.
  }
}

export function forgetDraft(id: string): void {
  try {
    sessionStorage.removeItem(keyOf(id));
  } catch {
    // There is none.
  }
}

/** Undefined: there is none, or none that this version reads. */
export function keptDraft(id: string): Integration | undefined {
  try {
    const text = sessionStorage.getItem(keyOf(id));
    return text === null ? undefined : fromJsonString(IntegrationSchema, text);
  } catch {
    return undefined;
  }
}

/** What a new integration begins with. */
export const blank = (): Integration => create(IntegrationSchema, { enabled: true });

/** Another one like it: what the server gave it is not taken along, and secrets cannot be. */
export function duplicateOf(integration: Integration): Integration {
  const { name, description, topicFilters, delivery, metadata, labels, templates, configuration } =
    integration;
  return create(IntegrationSchema, {
    name: `${name} (copy)`,
    description,
    topicFilters,
    metadata,
    labels,
    configuration,
    ...(delivery && { delivery }),
    ...(templates && { templates }),
  });
}
