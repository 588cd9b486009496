import { type DescField, getOption, hasOption, ScalarType } from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import { field as rulesOf } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { COMMENTS } from '../../../gen/penstock/v1/comments.ts';

/** By what a field is set. */
export type Widget =
  | 'text'
  | 'long text'
  | 'secret'
  | 'number'
  | 'duration'
  | 'switch'
  | 'yes or no'
  | 'enum'
  | 'lines'
  | 'pairs'
  | 'items'
  | 'message'
  | 'choice';

/** What a form knows of a field, all of it from the schema. */
export interface FieldModel {
  readonly field: DescField;
  readonly label: string;
  /** What it is for. */
  readonly help: string;
  /** What it is when it is not set; undefined: nothing. */
  readonly fallback: string | undefined;
  readonly isRequired: boolean;
  readonly widget: Widget;
}

/** The sentence of a comment that tells what an option is when it is not set. */
const UNSET = /(?:^| )(?:0 or unset|Unset|Unspecified): (.+?)\.(?= |$)/;
const DURATION = 'google.protobuf.Duration';
const LONG = /(_template|^ca_cert|^cert|^description)$/;

export function modelOf(field: DescField): FieldModel {
  const comment = COMMENTS[`${field.parent.name}.${field.name}`] ?? '';
  const fallback = UNSET.exec(comment)?.[1];
  return {
    field,
    label: labelOf(field.name),
    help: comment.replace(UNSET, '').trim(),
    fallback,
    isRequired: isRequired(field),
    widget: widgetOf(field),
  };
}

const WORDS: Readonly<Record<string, string>> = {
  id: 'ID',
  url: 'URL',
  http: 'HTTP',
  mqtt: 'MQTT',
  qos: 'QoS',
  tls: 'TLS',
  ssl: 'TLS',
  ca: 'CA',
  msg: 'message',
  sasl: 'SASL',
  oauth2: 'OAuth 2',
  pem: 'PEM',
  ids: 'IDs',
};

/** `rest_endpoint_url` is `Rest endpoint URL`. */
export function labelOf(name: string): string {
  const words = name.split('_').map((word) => WORDS[word] ?? word);
  const text = words.join(' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function isRequired(field: DescField): boolean {
  if (!hasOption(field, rulesOf)) return false;
  const rules = getOption(field, rulesOf);
  return rules.required || (rules.type.case === 'repeated' && rules.type.value.minItems > 0n);
}

function widgetOf(field: DescField): Widget {
  switch (field.fieldKind) {
    case 'enum':
      return 'enum';
    case 'map':
      return 'pairs';
    case 'list':
      return field.listKind === 'message' ? 'items' : 'lines';
    case 'message':
      if (field.message.typeName === DURATION) return 'duration';
      return field.message.oneofs.length > 0 ? 'choice' : 'message';
    default:
      return scalarWidget(field);
  }
}

function scalarWidget(field: DescField & { fieldKind: 'scalar' }): Widget {
  if (field.proto.options?.debugRedact) return 'secret';
  if (field.scalar === ScalarType.BOOL)
    return field.presence === FeatureSet_FieldPresence.EXPLICIT ? 'yes or no' : 'switch';
  if (field.scalar !== ScalarType.STRING) return 'number';
  return LONG.test(field.name) ? 'long text' : 'text';
}
