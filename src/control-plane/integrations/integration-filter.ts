import type { Integration, IntegrationType } from '../../../gen/penstock/v1/integration_pb.ts';
import type { IntegrationFilter } from '../../../gen/penstock/v1/integration_service_pb.ts';
import { type Type, typeNamed } from '../../contract/integration-type.ts';
import { type IntegrationSelection, type Labels, labelTexts, withoutNul } from '../store/integrations.ts';

/** What of a filter holds whatever nodes do: all but the states. */
export function selectionOf(filter: IntegrationFilter | undefined): IntegrationSelection {
  const { types = [], text = '', labels = {} } = filter ?? {};
  return {
    ...(types.length > 0 && { types: types.map(required) }),
    ...(text !== '' && { text }),
    ...(Object.keys(labels).length > 0 && { labels: labelTexts(labels) }),
  };
}

/** Whether the name begins like this, and all of these labels are there: what lists of such a selection have. */
export function isSelected(
  integration: Pick<Integration, 'name' | 'labels'>,
  { namePrefix = '', labels = {} }: { readonly namePrefix?: string; readonly labels?: Labels },
): boolean {
  const there = new Set(labelTexts(integration.labels));
  return (
    withoutNul(integration.name).startsWith(withoutNul(namePrefix)) &&
    labelTexts(labels).every((label) => there.has(label))
  );
}

function required(type: IntegrationType): Type {
  const found = typeNamed(type);
  if (found === undefined) throw new Error(`no configuration for type ${type}`);
  return found;
}
