import {
  type Integration,
  IntegrationSchema,
  IntegrationType,
  IntegrationTypeSchema,
} from '../../gen/penstock/v1/integration_pb.ts';

type Configuration = Integration['configuration'];

/** Which external system an integration speaks to: the case of its configuration. */
export type Type = NonNullable<Configuration['case']>;
export type ConfigOf<T extends Type> = Extract<Configuration, { case: T }>['value'];

/** Every type of the schema. */
export const TYPES: readonly Type[] = IntegrationSchema.fields
  .filter((field) => field.oneof?.localName === 'configuration')
  .map((field) => field.localName as Type);

/** @throws when the integration has no configuration, which no valid one lacks */
export function typeOf(integration: Integration): Type {
  const type = integration.configuration.case;
  if (type === undefined) throw new Error(`integration ${integration.id} has no configuration: set one`);
  return type;
}

/** The enum's names are those of the configuration's cases. */
const byNumber = new Map<number, Type>();
const byType = new Map<Type, IntegrationType>();
for (const { number, localName } of IntegrationTypeSchema.values) {
  const type = TYPES.find((one) => one.toLowerCase() === localName.toLowerCase());
  if (type === undefined) continue;
  byNumber.set(number, type);
  byType.set(type, number as IntegrationType);
}

/** The type that a value of the enum names; undefined: one of a newer version. */
export const typeNamed = (number: IntegrationType): Type | undefined => byNumber.get(number);

/** The value of the enum that names a type. */
export function numberOf(type: Type): IntegrationType {
  const number = byType.get(type);
  if (number === undefined) throw new Error(`IntegrationType does not name ${type}: add it`);
  return number;
}

/** Whether this version has the type. */
export const isKnownType = (type: string): type is Type => TYPES.some((one) => one === type);

/** The value of the enum that names a type; unspecified: one of a newer version. */
export const numberOrNone = (type: string): IntegrationType =>
  isKnownType(type) ? numberOf(type) : IntegrationType.UNSPECIFIED;
