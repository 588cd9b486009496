import {
  CallerKind,
  EventKind,
  FailureClass,
  IntegrationState,
  IntegrationType,
  LifecycleAction,
  NodeRole,
  RedriveState,
  ReplayState,
  RevisionChange,
  Role,
} from '../../../src/client/contract.ts';

/** The values of an enum, by their names. */
type Values = Readonly<Record<string, number>>;

/** The name of an enum's value as people read it: `CONTROL_PLANE` is `control plane`. */
function nameIn(values: Values, number: number): string {
  const [known = `unknown (${number})`] = Object.entries(values).find(([, value]) => value === number) ?? [];
  return known.toLowerCase().replaceAll('_', ' ');
}

export const stateName = (state: IntegrationState): string => nameIn(IntegrationState, state);
export const typeName = (type: IntegrationType): string => nameIn(IntegrationType, type).toUpperCase();
export const actionName = (action: LifecycleAction): string => nameIn(LifecycleAction, action);
export const failureName = (failure: FailureClass): string => nameIn(FailureClass, failure);
export const roleName = (role: NodeRole): string => nameIn(NodeRole, role);
export const accessRoleName = (role: Role): string => nameIn(Role, role);
export const callerKindName = (kind: CallerKind): string => nameIn(CallerKind, kind);
export const kindName = (kind: EventKind): string => nameIn(EventKind, kind);
export const replayStateName = (state: ReplayState): string => nameIn(ReplayState, state);
export const redriveStateName = (state: RedriveState): string => nameIn(RedriveState, state);
export const changeName = (change: RevisionChange): string => nameIn(RevisionChange, change);
