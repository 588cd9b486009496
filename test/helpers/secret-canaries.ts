import { randomBytes, randomUUID } from 'node:crypto';
import { clone, create, type DescField } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { TYPES, type Type } from '../../src/contract/integration-type.ts';
import { isSecret, setSecretPaths } from '../../src/contract/secrets.ts';
import { pathsTo } from './schema-paths.ts';

/** What each type cannot do without. */
const BASES: { readonly [T in Type]: Integration['configuration'] } = {
  http: configurationOf({ case: 'http', value: { restEndpointUrl: 'http://127.0.0.1:9/in' } }),
  mqtt: configurationOf({ case: 'mqtt', value: { host: '127.0.0.1', topicName: 'out' } }),
  kafka: configurationOf({ case: 'kafka', value: { bootstrapServers: ['127.0.0.1:9'], topic: 'out' } }),
};

/** What must stand beside a secret, by the names of the fields. */
const BESIDE: Readonly<Record<string, unknown>> = {
  username: 'me',
  client_id: 'client',
  token_url: 'https://auth.example.org/token',
  name: 'x-secret',
  mechanism: 1,
};

/** An integration with something secret in it that is found wherever it goes. */
export interface Planted {
  /** The secret's path. */
  readonly path: string;
  readonly canary: string;
  readonly integration: Integration;
}

/** Of every field of every type that is secret an integration in which it is set, valid by the schema's rules. */
export function plantedSecrets(id: string = randomUUID()): readonly Planted[] {
  return pathsTo(IntegrationSchema, isSecret).map((fields) => planted(fields, id));
}

function planted(fields: readonly DescField[], id: string): Planted {
  const type = TYPES.find((one) => one === fields[0]?.localName)!;
  const integration = create(IntegrationSchema, { id, name: 'planted', topicFilters: ['#'] });
  integration.configuration = clone(IntegrationSchema, {
    ...integration,
    configuration: BASES[type],
  }).configuration;
  const canary = `canary-${randomBytes(9).toString('hex')}`;
  let message: ReflectMessage = reflect(IntegrationSchema, integration);
  for (const field of fields) {
    if (isSecret(field)) message.set(field, canary);
    else message = within(message, field);
  }
  const [path = ''] = setSecretPaths(IntegrationSchema, integration);
  return { path, canary, integration };
}

/** The message that the field holds, made with what it needs where it is not there; of a list a first item. */
function within(message: ReflectMessage, field: DescField): ReflectMessage {
  if (!field.message) throw new Error(`${field} leads to no secret`);
  const isThere = message.isSet(field);
  const nested: ReflectMessage =
    field.fieldKind === 'message' ? message.get(field) : reflect(field.message, create(field.message));
  for (const one of nested.fields) {
    if (!isThere && one.name in BESIDE) nested.set(one, BESIDE[one.name]);
  }
  if (field.fieldKind === 'message') message.set(field, nested);
  else if (field.fieldKind === 'list') message.get(field).add(nested);
  return nested;
}

function configurationOf(
  configuration: NonNullable<Parameters<typeof create<typeof IntegrationSchema>>[1]>['configuration'],
): Integration['configuration'] {
  return create(IntegrationSchema, { ...(configuration && { configuration }) }).configuration;
}

/** Whether the bytes have the text: as it is, or in base64, however it is aligned there. */
export function holds(bytes: Uint8Array, text: string): boolean {
  const found = Buffer.from(bytes);
  return [Buffer.from(text), ...[0, 1, 2].map((shift) => Buffer.from(base64Within(text, shift)))].some(
    (one) => found.includes(one),
  );
}

/** The characters of base64 that the text alone decides, when `shift` bytes stand before it. */
export function base64Within(text: string, shift: number): string {
  const encoded = Buffer.concat([Buffer.alloc(shift), Buffer.from(text)])
    .toString('base64')
    .replace(/=+$/, '');
  return encoded.slice(shift === 0 ? 0 : shift + 1, -1);
}
