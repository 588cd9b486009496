import { create, fromJsonString, toJsonString } from '@bufbuild/protobuf';
import { type Integration, IntegrationSchema } from '../../../../src/client/contract.ts';
import { setSecretPaths, withoutSecrets } from '../../../../src/contract/secrets.ts';

// A draft outlives a reload, without its secrets: those are typed again.

const keyOf = (id: string) => `penstock.draft.${id}`;
const lostKeyOf = (id: string) => `penstock.draft-secrets.${id}`;

/** What is left of a draft after a reload. */
export interface KeptDraft {
  readonly draft: Integration;
  /** The paths of the secrets that were typed: they have to be given again. */
  readonly lost: readonly string[];
}

/**
 * @param id of the integration; `new`: of one that is not there yet
 * @param lost secrets that were typed before a reload, and not again since
 */
export function keepDraft(id: string, draft: Integration, lost: readonly string[] = []): void {
  try {
    const typed = new Set([...lost, ...setSecretPaths(IntegrationSchema, draft)]);
    sessionStorage.setItem(lostKeyOf(id), JSON.stringify([...typed]));
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
    sessionStorage.removeItem(lostKeyOf(id));
  } catch {
    // There is none.
  }
}

/** Undefined: there is none, or none that this version reads. */
export function keptDraft(id: string): KeptDraft | undefined {
  try {
    const text = sessionStorage.getItem(keyOf(id));
    if (text === null) return undefined;
    const lost: string[] = JSON.parse(sessionStorage.getItem(lostKeyOf(id)) ?? '[]');
    return { draft: fromJsonString(IntegrationSchema, text), lost };
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
