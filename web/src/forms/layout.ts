import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { IntegrationSchema } from '../../../src/client/contract.ts';
import { isSettable } from '../../../src/contract/settable.ts';

/** A part of the form. */
export interface Section {
  readonly id: string;
  readonly title: string;
  /** Of the integration. */
  readonly own: readonly DescField[];
  /** Of its configuration. */
  readonly ofType: readonly DescField[];
}

interface Placement {
  readonly id: string;
  readonly title: string;
  readonly own: readonly string[];
  readonly ofType: readonly string[];
}

const PLACES: readonly Placement[] = [
  {
    id: 'basics',
    title: 'Basics',
    own: ['name', 'description', 'topic_filters', 'enabled', 'labels'],
    ofType: [],
  },
  {
    id: 'where-to',
    title: 'Where to',
    own: [],
    ofType: [
      'rest_endpoint_url',
      'request_method',
      'host',
      'port',
      'ssl',
      'transport',
      'websocket_path',
      'topic_name',
      'use_msg_topic_name',
      'qos',
      'use_msg_qos',
      'retained',
      'use_msg_retain',
      'bootstrap_servers',
      'topic',
      'key',
    ],
  },
  {
    id: 'what-is-sent',
    title: 'What is sent',
    own: ['metadata', 'templates'],
    ofType: [
      'send_only_msg_payload',
      'payload_content_type',
      'send_binary_on_parse_failure',
      'body_template',
      'headers',
      'secret_headers',
      'kafka_headers',
      'kafka_headers_charset',
      'forward_user_properties',
    ],
  },
  {
    id: 'credentials',
    title: 'Credentials',
    own: [],
    ofType: ['credentials', 'sasl', 'tls', 'client_id', 'client_id_prefix', 'static_client_ids'],
  },
  { id: 'delivery', title: 'Delivery', own: ['delivery'], ofType: [] },
];

/** What no section names. It is there all the same: a field of a newer schema needs no change here. */
const MORE = { id: 'more', title: 'More options' };

/** The sections of the form for a type, every field that can be set in one of them. @param type undefined: none is chosen yet */
export function sectionsFor(type: DescMessage | undefined): readonly Section[] {
  const own = IntegrationSchema.fields.filter(
    (field) => isSettable(field) && field.oneof?.name !== 'configuration',
  );
  const ofType = type?.fields ?? [];
  const placed = PLACES.map((place) => ({
    id: place.id,
    title: place.title,
    own: pick(own, place.own),
    ofType: pick(ofType, place.ofType),
  }));
  const isLeft = (field: DescField) =>
    !placed.some((section) => section.own.includes(field) || section.ofType.includes(field));
  return [...placed, { ...MORE, own: own.filter(isLeft), ofType: ofType.filter(isLeft) }];
}

/** In the order of the names. */
const pick = (fields: readonly DescField[], names: readonly string[]): DescField[] =>
  names.flatMap((name) => fields.find((field) => field.name === name) ?? []);
