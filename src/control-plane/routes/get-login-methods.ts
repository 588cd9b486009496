import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GetLoginMethodsResponseSchema } from '../../../gen/penstock/v1/auth_service_pb.ts';
import type { LoginDeps } from './deps.ts';

export const getLoginMethods = ({
  access,
}: LoginDeps): MessageInitShape<typeof GetLoginMethodsResponseSchema> => ({
  loginRequired: access?.isLoginRequired ?? false,
  oidc: access?.oidc?.client !== undefined,
  oidcName: access?.oidc?.client?.name ?? '',
});
