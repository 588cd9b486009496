import {
  type EventKind,
  EventKindSchema,
  type FailureClass,
  FailureClassSchema,
  type IntegrationState,
  IntegrationStateSchema,
  type IntegrationType,
  IntegrationTypeSchema,
  type LifecycleAction,
  LifecycleActionSchema,
  type NodeRole,
  NodeRoleSchema,
  type ReplayState,
  ReplayStateSchema,
  type RevisionChange,
  RevisionChangeSchema,
  type Role,
  RoleSchema,
} from '../../../src/client/contract.ts';

interface EnumSchema {
  readonly value: Readonly<Record<number, { readonly localName: string }>>;
}

/** The name of an enum's value as people read it: `CONTROL_PLANE` is `control plane`. */
function nameIn({ value }: EnumSchema, number: number): string {
  const known = value[number]?.localName ?? `unknown (${number})`;
  return known.toLowerCase().replaceAll('_', ' ');
}

export const stateName = (state: IntegrationState): string => nameIn(IntegrationStateSchema, state);
export const typeName = (type: IntegrationType): string => nameIn(IntegrationTypeSchema, type).toUpperCase();
export const actionName = (action: LifecycleAction): string => nameIn(LifecycleActionSchema, action);
export const failureName = (failure: FailureClass): string => nameIn(FailureClassSchema, failure);
export const roleName = (role: NodeRole): string => nameIn(NodeRoleSchema, role);
export const accessRoleName = (role: Role): string => nameIn(RoleSchema, role);
export const kindName = (kind: EventKind): string => nameIn(EventKindSchema, kind);
export const replayStateName = (state: ReplayState): string => nameIn(ReplayStateSchema, state);
export const changeName = (change: RevisionChange): string => nameIn(RevisionChangeSchema, change);
