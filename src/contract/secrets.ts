import { clone, type DescField, type DescMessage, getOption, type MessageShape } from '@bufbuild/protobuf';
import { isReflectMessage, type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { FieldBehavior, field_behavior } from '../../gen/google/api/field_behavior_pb.ts';

/** Whether the schema marks the field as a secret: `debug_redact`. */
export function isSecret(field: DescField): boolean {
  return field.proto.options?.debugRedact === true;
}

/**
 * A copy of the message without its secrets. Fields this version does not know are dropped as well: they may be
 * secrets of a newer one.
 */
export function withoutSecrets<D extends DescMessage>(schema: D, message: MessageShape<D>): MessageShape<D> {
  const copy = clone(schema, message);
  clearSecrets(reflect(schema, copy));
  return copy;
}

function clearSecrets(message: ReflectMessage): void {
  delete message.message.$unknown;
  for (const field of message.fields) {
    if (isSecret(field)) message.clear(field);
    else for (const nested of messagesIn(message, field)) clearSecrets(nested);
  }
}

/** The messages a field holds: itself, the items of a list, the values of a map. */
function messagesIn(message: ReflectMessage, field: DescField): readonly ReflectMessage[] {
  if (!message.isSet(field)) return [];
  if (field.fieldKind === 'message') return [message.get(field)];
  if (field.fieldKind === 'list' && field.listKind === 'message') {
    return [...message.get(field)].filter((item) => isReflectMessage(item));
  }
  if (field.fieldKind === 'map' && field.mapKind === 'message') {
    return [...message.get(field).values()].filter((value) => isReflectMessage(value));
  }
  return [];
}

/** Whether the field tells the items of a list apart: `IDENTIFIER` in the schema. */
export function isIdentifier(field: DescField): boolean {
  return getOption(field, field_behavior).includes(FieldBehavior.IDENTIFIER);
}

/** The items of a list by their identifiers; none where nothing tells them apart. */
function itemsById(message: ReflectMessage, field: DescField): ReadonlyMap<unknown, ReflectMessage> {
  const identifier = field.fieldKind === 'list' ? field.message?.fields.find(isIdentifier) : undefined;
  if (identifier === undefined) return new Map();
  return new Map(messagesIn(message, field).map((item) => [item.get(identifier), item]));
}

/** Where a secret is, or could be: in a message that is there. */
export interface SecretPlace {
  /** In the schema's names, as in `setSecretPaths`; no other place has it. */
  readonly path: string;
  readonly message: ReflectMessage;
  readonly field: DescField;
}

/** Every place of a secret that the message has, in all messages that it holds. */
export function secretPlaces<D extends DescMessage>(
  schema: D,
  message: MessageShape<D>,
): readonly SecretPlace[] {
  const taken = new Map<string, number>();
  return placesIn(reflect(schema, message), '').map((place) => {
    // Items of one name are refused by the schema's rules; until then each of them is a place of its own.
    const count = (taken.get(place.path) ?? 0) + 1;
    taken.set(place.path, count);
    return count === 1 ? place : { ...place, path: `${place.path}#${count}` };
  });
}

function placesIn(message: ReflectMessage, prefix: string): readonly SecretPlace[] {
  return message.fields.flatMap((field): readonly SecretPlace[] => {
    const path = prefix + field.name;
    if (isSecret(field)) return [{ path, message, field }];
    if (!message.isSet(field)) return [];
    return namedMessages(message, field).flatMap(([name, nested]) => placesIn(nested, `${path}${name}.`));
  });
}

/** The messages that a field holds, each with what names it behind the field. */
function namedMessages(message: ReflectMessage, field: DescField): readonly [string, ReflectMessage][] {
  const messages = messagesIn(message, field);
  if (field.fieldKind === 'message') return messages.map((one) => ['', one]);
  const identifier = field.message?.fields.find(isIdentifier);
  const keys = field.fieldKind === 'map' ? [...message.get(field).keys()] : [];
  return messages.map((one, i) => [
    `[${JSON.stringify(identifier ? one.get(identifier) : (keys[i] ?? i))}]`,
    one,
  ]);
}

/** The paths of secrets that both have, with another value. */
export function changedSecrets<D extends DescMessage>(
  schema: D,
  before: MessageShape<D>,
  after: MessageShape<D>,
): string[] {
  const was = new Map(
    secretPlaces(schema, before).map(({ path, message, field }) => [
      path,
      message.isSet(field) ? message.get(field) : undefined,
    ]),
  );
  return secretPlaces(schema, after).flatMap(({ path, message, field }) => {
    const known = was.get(path);
    return known !== undefined && message.isSet(field) && message.get(field) !== known ? [path] : [];
  });
}

/** The secrets that are set. */
export function secretsIn<D extends DescMessage>(schema: D, message: MessageShape<D>): readonly string[] {
  const places = secretPlaces(schema, message).filter((place) => place.message.isSet(place.field));
  return places.map((place) => String(place.message.get(place.field)));
}

/**
 * The paths of the secrets that are set, in the schema's names, e.g. `http.credentials.basic.password`, or
 * `mqtt.static_client_ids["a"].password` for the item of a list.
 */
export function setSecretPaths<D extends DescMessage>(schema: D, message: MessageShape<D>): string[] {
  return [...secretPaths(schema, message)].flatMap(([path, isSet]) => (isSet ? [path] : []));
}

/** The paths of all secrets that the message has a place for, and whether each is set. */
export function secretPaths<D extends DescMessage>(
  schema: D,
  message: MessageShape<D>,
): ReadonlyMap<string, boolean> {
  const places = secretPlaces(schema, message);
  return new Map(places.map((place) => [place.path, place.message.isSet(place.field)]));
}

/**
 * A copy of `next` in which each secret that is unset takes the value it has in `stored`. Only where both hold the
 * message around it, in a list the item with the same identifier: credentials of another kind, or taken away, bring
 * nothing back.
 */
export function keepSecrets<D extends DescMessage>(
  schema: D,
  next: MessageShape<D>,
  stored: MessageShape<D>,
): MessageShape<D> {
  const copy = clone(schema, next);
  takeSecrets(reflect(schema, copy), reflect(schema, stored));
  return copy;
}

function takeSecrets(next: ReflectMessage, stored: ReflectMessage): void {
  for (const field of next.fields) {
    if (!stored.isSet(field)) continue;
    if (isSecret(field)) {
      if (!next.isSet(field) && field.oneof === undefined) next.set(field, stored.get(field));
    } else if (field.fieldKind === 'message' && next.isSet(field)) {
      takeSecrets(next.get(field), stored.get(field));
    } else {
      const before = itemsById(stored, field);
      for (const [id, item] of itemsById(next, field)) {
        const known = before.get(id);
        if (known) takeSecrets(item, known);
      }
    }
  }
}
