import type {
  Integration,
  IntegrationState,
  IntegrationType,
} from '../../../gen/penstock/v1/integration_pb.ts';
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

/** What a watch asks of an integration. */
export interface Watchable {
  readonly integration: Integration;
  /** The name of its type. */
  readonly type: string;
  /** Name and description as PostgreSQL looks for texts in them. */
  readonly text: string;
}

/**
 * Whether it passes a filter, as PostgreSQL would find it.
 * @param lowerCase the text of the selection as PostgreSQL looks for it
 */
export function isWatched(
  { integration, type, text }: Watchable,
  selection: IntegrationSelection,
  states: readonly IntegrationState[],
  lowerCase: string,
): boolean {
  const { types, labels = [], namePrefix } = selection;
  if (types && !types.some((one) => one === type)) return false;
  if (states.length > 0 && !states.includes(integration.status!.state)) return false;
  if (lowerCase !== '' && !text.includes(lowerCase)) return false;
  return hasAll(integration, labels, namePrefix);
}

/** Whether the name begins like this, and all of these labels are there: what lists of such a selection have. */
export function isSelected(
  integration: Pick<Integration, 'name' | 'labels'>,
  { namePrefix = '', labels = {} }: { readonly namePrefix?: string; readonly labels?: Labels },
): boolean {
  return hasAll(integration, labelTexts(labels), namePrefix);
}

function hasAll(
  { name, labels: own }: Pick<Integration, 'name' | 'labels'>,
  labels: readonly string[],
  namePrefix = '',
): boolean {
  if (namePrefix !== '' && !withoutNul(name).startsWith(withoutNul(namePrefix))) return false;
  if (labels.length === 0) return true;
  const there = new Set(labelTexts(own));
  return labels.every((label) => there.has(label));
}

function required(type: IntegrationType): Type {
  const found = typeNamed(type);
  if (found === undefined) throw new Error(`no configuration for type ${type}`);
  return found;
}
