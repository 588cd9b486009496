/** A reason of a wrong field, for programs. */
interface Meaning {
  /** What is wrong. */
  readonly when: string;
  /** What the caller does then. */
  readonly todo: string;
}

const meaning = (when: string, todo: string): Meaning => ({ when, todo });

/**
 * The reasons of field violations in the `google.rpc.BadRequest` of INVALID_ARGUMENT, beside those that are named by a rule of the
 * schema, e.g. `STRING_MAX_LEN`. They are part of the API: none is taken away or gets another meaning; new ones may come.
 */
export const VIOLATION_REASONS = {
  IN_THE_PAST: meaning('It is over already.', 'Give a time to come, or none.'),
  MALFORMED_JSON: meaning('The body is no JSON of a request.', 'Send valid JSON.'),
  MALFORMED_PATH: meaning('The path of the URL is no UTF-8 in percent-encoding.', 'Encode it.'),
  MALFORMED_QUERY: meaning('The query of the URL is no UTF-8 in percent-encoding.', 'Encode it.'),
  MALFORMED_TIME: meaning(
    'A duration or timestamp is out of its range, or its seconds and nanos have two signs.',
    'Give one within its range.',
  ),
  NOTHING_TO_CHANGE: meaning('A change over REST names no field.', 'Give the fields to change in the body.'),
  NOT_CHECKABLE: meaning('A rule of the schema cannot be computed for the value.', 'Give another value.'),
  NOT_FOUND: meaning('What the field names is not known.', 'Look at the id.'),
  NO_BODY: meaning('There is a body where the path takes none.', 'Put everything into path and query.'),
  NO_QUERY: meaning('There is a query where the field goes into the body.', 'Put it into the body.'),
  OFFSET_RANGE: meaning(
    'The range is empty, is not all in the topic, or its partition comes twice.',
    'Give offsets that are there.',
  ),
  OPERATOR_LIMIT: meaning(
    'It is more than the operator of the node allows.',
    'Ask for less, or have the setting that the text names changed.',
  ),
  ORDER_BY: meaning('The list has no such order.', 'Give one that the text names.'),
  PAGE_TOKEN: meaning(
    'It is not the `next_page_token` of an answer, or one of another version.',
    'Leave it empty for the first page.',
  ),
  PAGE_TOKEN_MISMATCH: meaning(
    'It is of a list with another filter or order.',
    'Leave it empty for the first page, or give the filter and order of before.',
  ),
  PATH_MISMATCH: meaning('It is not what the path of the URL says.', 'Leave it out of the body.'),
  REFUSED_BY_EXECUTOR: meaning('An executor cannot work with it.', 'Do what the text says.'),
  REQUEST_ID_USED: meaning('A request of another kind has used this id.', 'Take a new one.'),
  REQUIRED: meaning('It is not set.', 'Set it.'),
  SECRET_MISSING: meaning(
    '`set_secrets` names a secret that is neither given nor stored.',
    'Give it, or take it out of `set_secrets`.',
  ),
  SECRET_NEEDED_AGAIN: meaning(
    'A stored secret would go elsewhere than where it was given for.',
    'Give it again with the change.',
  ),
  SET_TWICE: meaning('It is set twice, or beside another field of its oneof.', 'Leave out one of both.'),
  TIMESTAMP_RANGE: meaning('The time is not between the years 1 and 9999.', 'Give another one.'),
  TIMES_AND_OFFSETS: meaning('Both times and offsets are given.', 'Give either.'),
  TIME_ORDER: meaning('The start is after the end.', 'Give a later end.'),
  TOO_DEEP: meaning('The JSON is nested too deeply.', 'Send JSON of the schema.'),
  TOO_LARGE: meaning('The integration does not fit into a record on Kafka.', 'Shorten what the text names.'),
  TOO_MANY: meaning('The JSON has too many names and values.', 'Send JSON of the schema.'),
  TOPIC_FILTER: meaning('It is no MQTT topic filter.', 'Do what the text says.'),
  TYPE_CHANGED: meaning('The type of an integration cannot change.', 'Create another integration.'),
  UNKNOWN_FIELD: meaning('There is no such field.', 'Take the nearest name that the text gives.'),
  UNKNOWN_VALUE: meaning('The enum has no such value.', 'Take the nearest value that the text gives.'),
  UPDATE_MASK_PATH: meaning('The mask has a path that is not for callers to set.', 'Leave it out.'),
  WRONG_PASSWORD: meaning('It is not the password of now.', 'Give that.'),
  WRONG_TYPE: meaning('The JSON value is of another type.', 'Give one of the type that the text names.'),
} as const;

/** A reason that stands in this file. */
export type ViolationReason = keyof typeof VIOLATION_REASONS;
