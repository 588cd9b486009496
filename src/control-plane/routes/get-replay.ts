import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  GetReplayRequest,
  GetReplayResponseSchema,
} from '../../../gen/penstock/v1/replay_service_pb.ts';
import { notFound } from '../../rpc/error.ts';
import { findReplay } from '../store/replays.ts';
import type { RouteDeps } from './deps.ts';

export async function getReplay(
  { db }: RouteDeps,
  { id }: GetReplayRequest,
): Promise<MessageInitShape<typeof GetReplayResponseSchema>> {
  const replay = await findReplay(db, id);
  if (!replay) throw notFound(`replay ${id}`);
  return { replay };
}
