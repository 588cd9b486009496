import { readFileSync } from 'node:fs';
import type { DescMethod } from '@bufbuild/protobuf';
import { SERVICES } from '../client/services.ts';
import { closest } from '../contract/closest.ts';
import { UserError } from '../runtime/user-error.ts';

/** A method of the API, and the name that its service has in the client. */
export interface Method {
  readonly desc: DescMethod;
  readonly client: keyof typeof SERVICES;
}

const METHODS: readonly Method[] = Object.entries(SERVICES).flatMap(([client, service]) =>
  service.methods.map((desc) => ({ desc, client: client as keyof typeof SERVICES })),
);

/** What a method may be called, the shortest first. */
const spellings = ({ desc: { name, parent } }: Method): readonly string[] => [
  name,
  `${parent.name}/${name}`,
  `${parent.typeName}/${name}`,
];

/** @throws UserError when there is none of this name, or more than one, with what may be meant */
export function methodNamed(written: string): Method {
  const [found, ...others] = METHODS.filter((method) => spellings(method).includes(written));
  if (found && others.length === 0) return found;
  const meant = found ? [found, ...others].map((method) => spellings(method)[1]!) : near(written);
  const hint =
    meant.length === 0 ? '' : `; did you mean ${meant.join(', ').replace(/, ([^,]*)$/, ' or $1')}?`;
  const what = found ? 'there are several methods' : 'there is no method';
  throw new UserError(`${what} ${JSON.stringify(written)}${hint} (penstock call --list)`);
}

/** By the name alone: a service that is not there is no reason not to tell where its method is. */
const near = (written: string): readonly string[] =>
  closest(
    written.split(/[/.]/).at(-1)!,
    METHODS.map(({ desc }) => desc.name),
  );

/** Written by `npm run generate`; each operation has the first sentence of its method's comment. */
const OPENAPI = new URL('../../gen/openapi.json', import.meta.url);

interface OpenApi {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly operationId: string; readonly summary: string }>>>
  >;
}

/** Every method with what it is for, below its service. */
export function methodList(): string {
  const { paths }: OpenApi = JSON.parse(readFileSync(OPENAPI, 'utf8'));
  const operations = Object.values(paths).flatMap((path) => Object.values(path));
  const summaries = new Map(operations.map(({ operationId, summary }) => [operationId, summary]));
  const width = Math.max(...METHODS.map(({ desc }) => desc.name.length));
  const lines = Object.values(SERVICES).flatMap((service) => [
    service.typeName,
    ...service.methods.map(({ name, localName }) =>
      `  ${name.padEnd(width)}  ${summaries.get(localName) ?? ''}`.trimEnd(),
    ),
  ]);
  return lines.join('\n');
}
