import { ConnectionSteps, type Step } from './connection-steps.ts';
import type { CheckResult, HandlerContext } from './handlers/handler.ts';
import type { BoundHandlerType } from './handlers/registry.ts';

/** What came of reaching an external system. */
export interface Reached extends Pick<CheckResult, 'reachable' | 'message'> {
  /** In their order. */
  readonly steps: readonly Step[];
  /** The field at fault, from the integration on. Unset: none is known. */
  readonly field?: string;
}

/** Reaches the external system, and tells how far that went. @param prefix of the configuration's fields */
export async function reach(
  type: BoundHandlerType,
  context: HandlerContext,
  prefix: string,
  signal: AbortSignal,
): Promise<Reached> {
  const course = new ConnectionSteps(context.clock);
  const found = await type.check({ ...context, guard: course.watched(context.guard) }, signal);
  const { reachable, message } = found;
  if (!reachable) course.giveUp(message);
  const lost = reachable ? undefined : course.fault;
  const field = found.field ?? (lost && type.fieldOf(lost));
  const reached = { reachable, message, steps: course.told(found) };
  return field === undefined ? reached : { ...reached, field: `${prefix}.${field}` };
}
