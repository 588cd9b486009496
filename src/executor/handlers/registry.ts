import type { Integration } from '../../../gen/penstock/v1/integration_pb.ts';
import type { Type } from '../../contract/integration-type.ts';
import type { FieldViolation } from '../../contract/validate.ts';
import type { TargetGuard } from '../../runtime/target-guard.ts';
import type {
  CheckResult,
  ConnectionFault,
  Handler,
  HandlerContext,
  HandlerType,
  PackLimits,
} from './handler.ts';
import { http } from './http/type.ts';
import { kafka } from './kafka/type.ts';
import { mqtt } from './mqtt/type.ts';

/** The handler of each type that this version can deliver to. A type of the schema must be named here. */
const HANDLER_TYPES: { readonly [T in Type]: HandlerType<T> | undefined } = {
  http,
  mqtt,
  kafka,
};

/** The types that this version can deliver to. */
export const BUILT_TYPES = (Object.keys(HANDLER_TYPES) as Type[]).filter(
  (type) => HANDLER_TYPES[type] !== undefined,
);

/** The handler type of an integration, bound to its configuration. */
export interface BoundHandlerType {
  pack(): PackLimits;
  validate(guard: TargetGuard): readonly FieldViolation[];
  check(context: HandlerContext, signal: AbortSignal): Promise<CheckResult>;
  fieldOf(fault: ConnectionFault): string;
  create(context: HandlerContext): Handler;
}

/** Undefined: this version has no handler for the integration's type. */
export function handlerTypeOf({ configuration }: Integration): BoundHandlerType | undefined {
  switch (configuration.case) {
    case 'http':
      return bind(HANDLER_TYPES.http, configuration.value);
    case 'mqtt':
      return bind(HANDLER_TYPES.mqtt, configuration.value);
    case 'kafka':
      return bind(HANDLER_TYPES.kafka, configuration.value);
    default:
      return undefined;
  }
}

function bind<T extends Type>(
  type: HandlerType<T> | undefined,
  config: Parameters<HandlerType<T>['validate']>[0],
): BoundHandlerType | undefined {
  return (
    type && {
      pack: () => type.pack(config),
      validate: (guard) => type.validate(config, guard),
      check: (context, signal) => type.check(config, context, signal),
      fieldOf: (fault) => type.fieldOf(config, fault),
      create: (context) => type.create(config, context),
    }
  );
}
