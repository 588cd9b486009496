import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { changedPaths } from '../contract/changed-paths.ts';
import { secretPaths } from '../contract/secrets.ts';
import { violationsOf } from '../contract/validate.ts';
import type { IntegrationText, Problem } from './read-integrations.ts';

/** What of a stored integration it is found by. */
export type Known = Pick<Integration, 'id' | 'name'>;

/** What a document comes to. */
export type Step =
  | { readonly kind: 'wrong'; readonly text: IntegrationText; readonly problems: readonly Problem[] }
  | { readonly kind: 'create'; readonly text: IntegrationText; readonly integration: Integration }
  | {
      readonly kind: 'change';
      readonly text: IntegrationText;
      /** As it is to be. */
      readonly integration: Integration;
      readonly stored: Integration;
      /** What differs, as an update mask has it. A secret that is given counts: nobody can tell whether it is the stored one. */
      readonly paths: readonly string[];
    }
  | {
      readonly kind: 'same';
      readonly text: IntegrationText;
      readonly integration: Integration;
      readonly stored: Integration;
    };

/** The stored integration that a document is about. Neither: a new one. */
export interface Match {
  readonly text: IntegrationText;
  readonly id?: string;
  readonly problem?: Problem;
}

/**
 * Which integration each document is about: the one of its id, or else the only one of its name that is no other
 * document's. Two documents are never about the same one, and two new ones never have one name.
 */
export function matched(texts: readonly IntegrationText[], known: readonly Known[]): readonly Match[] {
  const ids = new Set(known.map(({ id }) => id));
  const claimed = new Map<string, IntegrationText>();
  for (const text of texts) {
    const id = text.integration?.id ?? '';
    if (ids.has(id) && !claimed.has(id)) claimed.set(id, text);
  }
  const byName = new Map<string, string[]>();
  for (const { id, name } of known) if (!claimed.has(id)) byName.set(name, [...(byName.get(name) ?? []), id]);
  const named = new Map<string, IntegrationText>();
  return texts.map((text): Match => {
    const { integration } = text;
    if (!integration) return { text };
    const twice = (other: IntegrationText, path: string): Match => ({
      text,
      problem: text.at(path, `the document of line ${other.place.line} is about the same integration`),
    });
    const owner = claimed.get(integration.id);
    if (owner) return owner === text ? { text, id: integration.id } : twice(owner, 'id');
    const before = named.get(integration.name);
    if (before) return twice(before, 'name');
    named.set(integration.name, text);
    const [id, ...others] = byName.get(integration.name) ?? [];
    if (id === undefined) return { text };
    if (others.length === 0) return { text, id };
    const many = `${others.length + 1} integrations have this name: say by its id which one is meant`;
    return { text, problem: text.at('name', many) };
  });
}

/** @param stored what the document is about, in full; undefined: there is none yet */
export function stepOf({ text, problem }: Match, stored: Integration | undefined): Step {
  const { integration } = text;
  if (!integration) return { kind: 'wrong', text, problems: text.problems };
  const problems = problem ? [problem] : problemsOf(text, integration, stored);
  if (problems.length > 0) return { kind: 'wrong', text, problems };
  if (!stored) return { kind: 'create', text, integration };
  const paths = changedPaths(stored, integration);
  if (paths.length === 0) return { kind: 'same', text, integration, stored };
  return { kind: 'change', text, integration, stored, paths };
}

function problemsOf(
  text: IntegrationText,
  integration: Integration,
  stored: Integration | undefined,
): readonly Problem[] {
  const broken = violationsOf(IntegrationSchema, integration);
  const found = broken.map(({ field, description }) => text.at(field, description));
  return [...found, ...missingIn(text, integration, stored?.setSecrets ?? [])];
}

/** The secrets that the comments of a text name, and that neither it nor what is stored has. */
export function missingIn(
  text: IntegrationText,
  integration: Integration,
  kept: readonly string[],
): readonly Problem[] {
  const places = secretPaths(IntegrationSchema, integration);
  return integration.setSecrets
    .filter((path) => places.get(path) === false && !kept.includes(path))
    .map((path) =>
      text.at(path, `${path} must be given, as no text holds secrets; or leave out its comment`),
    );
}
