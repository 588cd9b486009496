import { clone, type DescField } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { missingAfterUpdate } from './missing-secrets.ts';
import { movedSecrets } from './secret-places.ts';
import { keepSecrets, setSecretPaths } from './secrets.ts';
import { isSettable } from './settable.ts';
import { keepUnknown } from './unknown-fields.ts';
import type { FieldViolation } from './validate.ts';

/** More paths than all fields of any type together. */
const MAX_PATHS = 100;

const SETTABLE = IntegrationSchema.fields.filter(isSettable);

/**
 * The stored integration with the changes under `paths` (AIP-134; in the schema's names, `http.headers` for instance)
 * taken over; no paths = every field a user can set. A field that is unset in the changes is cleared, but a secret keeps
 * its stored value, and so do fields that only a newer version knows. What comes back as violations: paths that are not a
 * user's to set, secrets that would be kept but go elsewhere, and those that the changes name but nothing has. The result is not validated.
 */
export function applyUpdate(
  stored: Integration,
  changes: Integration,
  paths: readonly string[],
): { readonly integration: Integration; readonly violations: readonly FieldViolation[] } {
  const target = clone(IntegrationSchema, stored);
  const distinct = paths.length === 0 ? SETTABLE.map((field) => field.name) : [...new Set(paths)];
  if (distinct.length > MAX_PATHS) {
    return { integration: target, violations: [wrongMask(`has more than ${MAX_PATHS} paths: leave it out`)] };
  }
  const source = clone(IntegrationSchema, changes);
  const violations: FieldViolation[] = [];
  for (const path of distinct) {
    const fields = fieldsOf(path);
    if (fields === undefined) violations.push(wrongMask(`${path}: is not a field that can be changed`));
    else copyPath(reflect(IntegrationSchema, target), reflect(IntegrationSchema, source), fields);
  }
  keepUnknown(reflect(IntegrationSchema, target), reflect(IntegrationSchema, stored));
  const integration = keepSecrets(IntegrationSchema, target, stored);
  const ofMask = (secret: string) => distinct.some((path) => isWithin(secret, path));
  const given = setSecretPaths(IntegrationSchema, changes).filter(ofMask);
  violations.push(...movedSecrets(integration, stored, given));
  violations.push(...missingAfterUpdate(changes.setSecrets.filter(ofMask), integration, stored));
  return { integration, violations };
}

/** Whether the path of a secret, such as `http.secret_headers["a"].value`, is `path` or leads on from it. */
const isWithin = (secret: string, path: string) =>
  secret.startsWith(path) && ['.', '[', undefined].includes(secret[path.length]);

const wrongMask = (description: string): FieldViolation => ({
  field: 'update_mask',
  description,
  reason: 'UPDATE_MASK_PATH',
});

/** The fields along a path, or undefined when it leads nowhere. */
function fieldsOf(path: string): readonly DescField[] | undefined {
  let candidates: readonly DescField[] = SETTABLE;
  const fields: DescField[] = [];
  for (const name of path.split('.')) {
    const field = candidates.find((candidate) => candidate.name === name);
    if (field === undefined) return undefined;
    fields.push(field);
    candidates = field.fieldKind === 'message' ? field.message.fields : [];
  }
  return fields;
}

function copyPath(target: ReflectMessage, source: ReflectMessage, path: readonly DescField[]): void {
  const [field, ...rest] = path;
  if (field === undefined) return;
  const isSource = source.isSet(field);
  if (rest.length > 0 && field.fieldKind === 'message' && (isSource || target.isSet(field))) {
    // `get` of an unset message answers an empty one that is not part of anything yet.
    const nested = target.get(field);
    copyPath(nested, source.get(field), rest);
    target.set(field, nested);
  } else if (isSource) {
    target.set(field, source.get(field));
  } else {
    target.clear(field);
  }
}
