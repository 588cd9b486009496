import { type DescMessage, type MessageShape, toJson } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { hasOwnJson } from '../../contract/json-leaf.ts';
import { isSecret } from '../../contract/secrets.ts';

/** A field that differs; of a secret nothing but that it does. */
export interface Difference {
  readonly path: string;
  /** As JSON; unset, or empty: it was not set. */
  readonly before?: string;
  readonly after?: string;
  readonly secret?: boolean;
}

/** Of a value no more is kept. */
const MAX_VALUE = 2000;
const MAX_DIFFERENCES = 200;

/**
 * What differs, field by field, in the schema's names: `http.rest_endpoint_url`. A list or a map counts as a whole.
 * @param left out: fields at the top, by name
 */
export function differences<D extends DescMessage>(
  schema: D,
  before: MessageShape<D> | undefined,
  after: MessageShape<D> | undefined,
  left: readonly string[] = [],
): readonly Difference[] {
  const [from, to] = [before && reflect(schema, before), after && reflect(schema, after)];
  const fields = schema.fields.filter(({ name }) => !left.includes(name)).map(({ name }) => name);
  return inFields(schema, from, to, '', new Set(fields)).slice(0, MAX_DIFFERENCES);
}

function inFields(
  schema: DescMessage,
  before: ReflectMessage | undefined,
  after: ReflectMessage | undefined,
  prefix: string,
  only?: ReadonlySet<string>,
): readonly Difference[] {
  const [was, is] = [jsonOf(schema, before), jsonOf(schema, after)];
  return schema.fields.flatMap((field): readonly Difference[] => {
    if (only && !only.has(field.name)) return [];
    const path = prefix + field.name;
    const isMessage = field.fieldKind === 'message' && !hasOwnJson(field.message);
    if (isMessage) {
      const [from, to] = [before, after].map((one) => (one?.isSet(field) ? one.get(field) : undefined));
      return inFields(field.message, from as ReflectMessage, to as ReflectMessage, `${path}.`);
    }
    const [a, b] = [was[field.name], is[field.name]];
    const [from, to] = [textOf(a), textOf(b)];
    if (from === to) return [];
    if (isSecret(field)) return [{ path, secret: true }];
    return [{ path, before: cut(from), after: cut(to) }];
  });
}

type Json = Readonly<Record<string, unknown>>;

/** The fields that are set; items of lists without their secrets. */
function jsonOf(schema: DescMessage, message: ReflectMessage | undefined): Json {
  if (message === undefined) return {};
  return toJson(schema, message.message, { useProtoFieldName: true }) as Json;
}

const textOf = (value: unknown) => (value === undefined ? '' : JSON.stringify(value));

const cut = (text: string) =>
  text.length <= MAX_VALUE ? text : `${text.slice(0, MAX_VALUE)}…`.toWellFormed();
