import type { MessageInitShape } from '@bufbuild/protobuf';
import type { SelfSchema } from '../../../gen/penstock/v1/auth_service_pb.ts';
import { refusalOf } from '../../rpc/authorized.ts';
import type { Caller } from '../../rpc/caller.ts';
import { POLICY } from '../../rpc/policy.ts';

/** What a caller is told of itself. */
export function selfOf(caller: Caller): MessageInitShape<typeof SelfSchema> {
  const allowed = [...POLICY.keys()].filter((method) => refusalOf(method, caller) === undefined);
  const { name, kind, role, scope } = caller;
  return {
    name,
    kind,
    role,
    allowedMethods: allowed.map((method) => `${method.parent.typeName}/${method.name}`),
    ...(scope && { scope }),
  };
}
