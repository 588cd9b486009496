import {
  type DescField,
  type DescMessage,
  type DescOneof,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from '@bufbuild/protobuf';
import fc from 'fast-check';

const scalars: Readonly<Partial<Record<ScalarType, fc.Arbitrary<JsonValue>>>> = {
  [ScalarType.BOOL]: fc.boolean(),
  [ScalarType.STRING]: fc.string({ unit: 'grapheme' }),
  [ScalarType.BYTES]: fc.oneof(fc.base64String(), fc.constantFrom('_-8', 'AA')),
  [ScalarType.DOUBLE]: fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom('NaN', '-Infinity', '1e3'),
  ),
  [ScalarType.INT32]: fc.oneof(
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    fc.constantFrom('-7', '1e2', 3.0),
  ),
  [ScalarType.UINT32]: fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom('7', 3.0)),
  [ScalarType.FIXED32]: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  [ScalarType.INT64]: fc.oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
    fc.maxSafeInteger(),
  ),
  [ScalarType.UINT64]: fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String), fc.maxSafeNat()),
};

const wellKnown: Readonly<Record<string, fc.Arbitrary<JsonValue>>> = {
  'google.protobuf.Duration': fc.constantFrom('0s', '1.5s', '-3s', '0.000000001s'),
  'google.protobuf.Timestamp': fc.constantFrom('2030-01-31T12:00:00Z', '1970-01-01T00:00:00.5+02:00'),
  'google.protobuf.FieldMask': fc.constantFrom('', 'name', 'name,http.readTimeout'),
};

/** What protobuf reads as the message, in every way to write it. */
export function anyJson(desc: DescMessage): fc.Arbitrary<JsonValue> {
  const known = wellKnown[desc.typeName];
  if (known) return known;
  const beside = desc.fields.filter(({ oneof }) => oneof === undefined);
  const members = [...beside.map(maybe), ...desc.oneofs.map(oneOf)];
  return fc.tuple(...members).map((found) => Object.fromEntries(found.flat()));
}

type Members = readonly (readonly [name: string, value: JsonValue])[];

const maybe = (field: DescField): fc.Arbitrary<Members> =>
  fc.oneof({ arbitrary: fc.constant([]), weight: 2 }, { arbitrary: member(field), weight: 1 });

/** No more than one of them: null is none. */
const oneOf = ({ fields }: DescOneof): fc.Arbitrary<Members> =>
  fc.oneof(fc.constant([]), ...fields.map(member));

const member = (field: DescField): fc.Arbitrary<Members> =>
  fc
    .tuple(fc.constantFrom(field.name, field.jsonName), fc.option(valuesOf(field), { freq: 10 }))
    .map((entry) => [entry]);

function valuesOf(field: DescField): fc.Arbitrary<JsonValue> {
  if (field.fieldKind === 'list') return fc.array(single(field), { maxLength: 3 });
  if (field.fieldKind === 'map')
    return fc.dictionary(fc.string(), single(field), {
      maxKeys: 3,
      noNullPrototype: true,
    }) as fc.Arbitrary<JsonObject>;
  return single(field);
}

function single({ message, enum: values, scalar, name }: DescField): fc.Arbitrary<JsonValue> {
  if (message) return anyJson(message);
  if (values) return fc.constantFrom(...values.values.flatMap((value) => [value.name, value.number]), 77);
  const found = scalars[scalar!];
  if (!found) throw new Error(`${name}: say here what its JSON is`);
  return found;
}

/** A way into a JSON, and what is there. */
export interface Spot {
  readonly way: readonly (string | number)[];
  readonly value: JsonValue;
}

/** Every value in it, itself too. */
export function spotsIn(value: JsonValue, way: readonly (string | number)[] = []): readonly Spot[] {
  const inner = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  const step = (key: string) => (Array.isArray(value) ? Number(key) : key);
  return [{ way, value }, ...inner.flatMap(([key, one]) => spotsIn(one, [...way, step(key)]))];
}

/** A copy in which `change` has made something else of the value at the end of the way. */
export function changedAt(
  json: JsonValue,
  [step, ...rest]: readonly (string | number)[],
  change: (value: JsonValue) => JsonValue,
): JsonValue {
  if (step === undefined) return change(json);
  if (Array.isArray(json)) return json.map((one, i) => (i === step ? changedAt(one, rest, change) : one));
  const entries = Object.entries(json as JsonObject);
  return Object.fromEntries(
    entries.map(([key, one]) => [key, key === step ? changedAt(one, rest, change) : one]),
  );
}
