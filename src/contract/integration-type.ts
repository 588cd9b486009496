import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';

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

/** Whether this version has the type. */
export const isKnownType = (type: string): type is Type => TYPES.some((one) => one === type);
