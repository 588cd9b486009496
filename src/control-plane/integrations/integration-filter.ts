import type { IntegrationType } from '../../../gen/penstock/v1/integration_pb.ts';
import type { IntegrationFilter } from '../../../gen/penstock/v1/integration_service_pb.ts';
import { type Type, typeNamed } from '../../contract/integration-type.ts';
import type { IntegrationSelection } from '../store/integrations.ts';

/** What of a filter holds whatever nodes do: all but the states. */
export function selectionOf(filter: IntegrationFilter | undefined): IntegrationSelection {
  const { types = [], text = '' } = filter ?? {};
  return {
    ...(types.length > 0 && { types: types.map(required) }),
    ...(text !== '' && { text }),
  };
}

function required(type: IntegrationType): Type {
  const found = typeNamed(type);
  if (found === undefined) throw new Error(`no configuration for type ${type}`);
  return found;
}
