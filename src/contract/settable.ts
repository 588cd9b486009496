import { type DescField, getOption } from '@bufbuild/protobuf';
import { FieldBehavior, field_behavior } from '../../gen/google/api/field_behavior_pb.ts';

/** Whether a user sets the field of an integration, and not the server. */
export function isSettable(field: DescField): boolean {
  return field.name !== 'etag' && !getOption(field, field_behavior).includes(FieldBehavior.OUTPUT_ONLY);
}
