import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  GetRevisionRequest,
  GetRevisionResponseSchema,
} from '../../../gen/penstock/v1/revision_service_pb.ts';
import { notFound } from '../../rpc/error.ts';
import { findRevision } from '../store/revisions.ts';
import type { RouteDeps } from './deps.ts';

export async function getRevision(
  { db }: RouteDeps,
  { integrationId, generation }: GetRevisionRequest,
): Promise<MessageInitShape<typeof GetRevisionResponseSchema>> {
  const revision = await findRevision(db, integrationId, generation);
  if (!revision) throw notFound(`revision ${generation} of integration ${integrationId}`);
  return { revision };
}
