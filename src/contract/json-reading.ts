import type { DescField, DescMessage, JsonValue } from '@bufbuild/protobuf';
import { closest } from './closest.ts';
import { hasOwnJson, problemOfLeaf } from './json-leaf.ts';
import { isSecret } from './secrets.ts';
import type { FieldViolation } from './validate.ts';

/** So much is told of one JSON, at most. */
const MOST = 100;
const MAX_ECHO = 64;

/** What stands in the place of what cannot be read. */
const UNREAD = Symbol('unread');
type Read = JsonValue | typeof UNREAD;

/** Where something stands, in the schema's names; the whole has none around it. */
interface Place {
  readonly path: string;
  readonly around?: Place;
}

const WHOLE: Place = { path: '' };

/**
 * Reads a JSON beside its schema and keeps what is wrong with it: names and values that are not there, values of another type.
 * Values are told of enums alone, and of no secret. It goes as deep as the JSON does: bounded before.
 */
export class JsonReading {
  readonly violations: FieldViolation[] = [];
  /** The JSON without what is wrong in it; undefined: nothing of it can be read. */
  readonly readable: JsonValue | undefined;
  /** What the schema's rules cannot judge: what could not be read, or may have been meant, and what is around it. */
  readonly #unread = new Set<string>();

  constructor(schema: DescMessage, json: JsonValue) {
    const read = this.#message(schema, json, WHOLE);
    this.readable = read === UNREAD ? undefined : read;
  }

  /** Whether more is wrong than is told. */
  get isFull(): boolean {
    return this.violations.length >= MOST;
  }

  /** Whether what stands at this path, in the schema's names, was read, so that rules can judge it. */
  isJudgeable(path: string): boolean {
    return !this.#unread.has(path);
  }

  #tell(place: Place, reason: string, description: string): typeof UNREAD {
    if (!this.isFull) this.violations.push({ field: place.path, description, reason });
    for (let at: Place | undefined = place; at; at = at.around) this.#unread.add(at.path);
    return UNREAD;
  }

  #message(schema: DescMessage, json: JsonValue, place: Place): Read {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      return this.#tell(place, 'WRONG_TYPE', 'must be an object');
    }
    const fields = fieldsOf(schema);
    const written = new Map<unknown, DescField>();
    const entries: [string, JsonValue][] = [];
    for (const name of Object.keys(json)) {
      if (this.isFull) break;
      const value = json[name]!;
      const field = fields.get(name);
      if (field === undefined) this.#unknownField(schema, name, place, json);
      else if (this.#isOnce(field, value, written, place)) {
        const read = this.#field(field, value, inside(place, field.name));
        if (read !== UNREAD) entries.push([name, read]);
        else if (field.oneof) this.#unread.add(inside(place, field.oneof.name).path);
      }
    }
    return Object.fromEntries(entries);
  }

  /** Whether neither the field nor another one of its oneof was there before, by any of its names. */
  #isOnce(field: DescField, value: JsonValue, written: Map<unknown, DescField>, around: Place): boolean {
    const place = inside(around, field.name);
    const isSet = value !== null || field.fieldKind !== 'scalar';
    const other = field.oneof && isSet ? written.get(field.oneof) : undefined;
    if (written.has(field)) {
      this.#tell(place, 'SET_TWICE', `is there twice, as ${field.name} and as ${field.jsonName}`);
      return false;
    }
    if (other) {
      this.#tell(place, 'SET_TWICE', `cannot be set beside ${other.name}: leave out one of both`);
      return false;
    }
    written.set(field, field);
    if (field.oneof && isSet) written.set(field.oneof, field);
    return true;
  }

  #unknownField(schema: DescMessage, name: string, around: Place, json: object): void {
    const names = closest(
      name,
      schema.fields.map((field) => field.name),
    );
    const near = schema.fields.filter((field) => names.includes(field.name));
    const isCamel = /[A-Z]/.test(name) && !name.includes('_');
    const told = names.map((one) => (isCamel ? near.find((field) => field.name === one)!.jsonName : one));
    this.#tell(inside(around, name), 'UNKNOWN_FIELD', `there is no such field${didYouMean(told)}`);
    for (const field of near) {
      if (Object.hasOwn(json, field.name) || Object.hasOwn(json, field.jsonName)) continue;
      this.#unread.add(inside(around, field.name).path);
      if (field.oneof) this.#unread.add(inside(around, field.oneof.name).path);
    }
  }

  #field(field: DescField, json: JsonValue, place: Place): Read {
    if (json === null) return json;
    if (field.fieldKind === 'list') return this.#list(field, json, place);
    if (field.fieldKind === 'map') return this.#map(field, json, place);
    return this.#one(field, json, place);
  }

  #list(field: DescField, json: JsonValue, place: Place): Read {
    if (!Array.isArray(json)) return this.#tell(place, 'WRONG_TYPE', 'must be a list');
    const items: JsonValue[] = [];
    for (let i = 0; i < json.length && !this.isFull; i++) {
      const read = this.#one(field, json[i]!, { path: `${place.path}[${i}]`, around: place });
      if (read !== UNREAD) items.push(read);
    }
    return items.length === json.length ? items : UNREAD; // the others would be told by other numbers
  }

  #map(field: DescField, json: JsonValue, place: Place): Read {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      return this.#tell(place, 'WRONG_TYPE', 'must be an object');
    }
    const entries: [string, JsonValue][] = [];
    for (const key of Object.keys(json)) {
      if (this.isFull) break;
      const read = this.#one(field, json[key]!, inside(place, key, true));
      if (read !== UNREAD) entries.push([key, read]);
    }
    return Object.fromEntries(entries);
  }

  /** A value of a field, also in its list or its map. */
  #one(field: DescField, json: JsonValue, place: Place): Read {
    if (json === null) return this.#tell(place, 'WRONG_TYPE', 'must not be null');
    if (field.message && !hasOwnJson(field.message)) return this.#message(field.message, json, place);
    const problem = problemOfLeaf(field, json);
    if (problem === undefined) return json;
    if (!field.enum || typeof json !== 'string' || isSecret(field))
      return this.#tell(place, 'WRONG_TYPE', problem);
    const prefix = field.enum.sharedPrefix?.length ?? 0;
    const names = field.enum.values.map(({ name }) => name);
    const near = closest(json, names, (name) => [name, name.slice(prefix)]);
    const description = `there is no value ${JSON.stringify(excerpt(json))}${didYouMean(near)}`;
    return this.#tell(place, 'UNKNOWN_VALUE', description);
  }
}

const fieldsBySchema = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

/** By each of their names. */
function fieldsOf(schema: DescMessage): ReadonlyMap<string, DescField> {
  let fields = fieldsBySchema.get(schema);
  if (fields === undefined) {
    fields = new Map(
      schema.fields.flatMap((field): [string, DescField][] => [
        [field.name, field],
        [field.jsonName, field],
      ]),
    );
    fieldsBySchema.set(schema, fields);
  }
  return fields;
}

function inside(around: Place, name: string, isKey = false): Place {
  const isPlain = !isKey && /^\w{1,64}$/.test(name);
  const step = isPlain ? (around.path === '' ? name : `.${name}`) : `[${JSON.stringify(excerpt(name))}]`;
  return { path: around.path + step, around };
}

/** So much of a name or a value is told. */
export const excerpt = (text: string): string =>
  (text.length <= MAX_ECHO ? text : `${text.slice(0, MAX_ECHO - 1)}…`).toWellFormed();

const didYouMean = (names: readonly string[]) =>
  names.length === 0 ? '' : `; did you mean ${names.join(', ').replace(/, ([^,]*)$/, ' or $1')}?`;
