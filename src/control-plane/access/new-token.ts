import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { type Token, TokenSchema } from '../../../gen/penstock/v1/token_service_pb.ts';
import { hashOfToken, newApiToken } from '../../contract/api-token.ts';
import { failed, invalidArgument } from '../../rpc/error.ts';
import type { Database, Queries } from '../store/database.ts';
import { insertToken } from '../store/tokens.ts';

/** All of them are in one record on Kafka, and in the memory of each node. A topic takes somewhat more bytes. */
const MOST = { count: 10_000, bytes: 16 << 20 };

export interface NewToken {
  readonly token: Token;
  /** Shown once. */
  readonly value: string;
}

/**
 * Makes a token.
 * @param record stores what goes with it, in the same transaction
 * @throws RpcError INVALID_ARGUMENT when it has ended already; RESOURCE_EXHAUSTED when there are too many
 */
export async function newToken(
  db: Pick<Database, 'transaction'>,
  draft: Token,
  createdBy: string,
  now: number,
  record: (queries: Queries, token: Token) => Promise<void>,
): Promise<NewToken> {
  if (draft.expireTime && timestampMs(draft.expireTime) <= now) {
    const description = 'must be in the future, or unset for a token that does not end';
    throw invalidArgument([{ field: 'token.expire_time', description, reason: 'IN_THE_PAST' }]);
  }
  const { name, note, role, scope, expireTime } = draft;
  const token = create(TokenSchema, { name, note, role, id: randomUUID(), createdBy });
  token.createTime = timestampFromMs(now);
  if (scope) token.scope = scope;
  if (expireTime) token.expireTime = expireTime;
  const value = newApiToken();
  await db.transaction(async (queries) => {
    if (!(await insertToken(queries, token, hashOfToken(value), MOST))) throw tooMany();
    await record(queries, token);
  });
  return { token, value };
}

const tooMany = () =>
  failed(
    Code.RESOURCE_EXHAUSTED,
    'TOO_MANY_TOKENS',
    `there are ${MOST.count} API tokens that have not ended, or fewer with scopes of ${MOST.bytes >> 20} MiB together: revoke those that nobody uses`,
  );
