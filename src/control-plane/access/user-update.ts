import { clone } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { type User, UserSchema } from '../../../gen/penstock/v1/user_service_pb.ts';
import type { FieldViolation } from '../../contract/validate.ts';

const SETTABLE = ['display_name', 'role', 'scope', 'disabled', 'password'];

/**
 * The stored user with the changes under `paths` taken over; no paths = every field that can be set. A field that is unset in
 * the changes is cleared, but for the password, which a path must not name then. The result has a password only if the changes
 * give one. It is not validated.
 */
export function updatedUser(
  stored: User,
  changes: User,
  paths: readonly string[],
): { readonly user: User; readonly violations: readonly FieldViolation[] } {
  const wrong = paths.filter((path) => !SETTABLE.includes(path));
  const user = clone(UserSchema, stored);
  const [target, source] = [reflect(UserSchema, user), reflect(UserSchema, changes)];
  for (const field of UserSchema.fields) {
    if (!(paths.length === 0 ? SETTABLE : paths).includes(field.name) || !SETTABLE.includes(field.name))
      continue;
    if (source.isSet(field)) target.set(field, source.get(field));
    else target.clear(field);
  }
  const violations: FieldViolation[] = wrong.map((path) => ({
    field: 'update_mask',
    description: `${path}: is not a field that can be changed`,
    reason: 'UPDATE_MASK_PATH',
  }));
  if (paths.includes('password') && changes.password === undefined) violations.push(PASSWORD_NEEDED);
  return { user, violations };
}

const PASSWORD_NEEDED: FieldViolation = {
  field: 'user.password',
  description: 'is required when update_mask names it: a user always has one',
  reason: 'REQUIRED',
};
