import { type ConnectPacket, ConnectRefusal } from './connect-packet.ts';
import type { Holdings } from './holdings.ts';
import { ReasonCode } from './protocol.ts';
import type { Sessions } from './sessions.ts';
import { willMemory } from './wills.ts';

interface Deps {
  readonly limits: { readonly maxConnections: number };
  readonly sessions: Pick<Sessions, 'online' | 'isOnline'>;
  readonly holdings: Pick<Holdings, 'hasRoomFor'>;
}

/** @throws ConnectRefusal when there is no room for one more client, or for what this one brings along */
export function checkRoom(connect: ConnectPacket, { limits, sessions, holdings }: Deps): void {
  const { clientId, will } = connect;
  if (sessions.online >= limits.maxConnections && !sessions.isOnline(clientId)) {
    throw new ConnectRefusal(connect, ReasonCode.QUOTA_EXCEEDED, 'too many connections');
  }
  if (!holdings.hasRoomFor(2 * clientId.length + (will ? willMemory(will) : 0))) {
    throw new ConnectRefusal(connect, ReasonCode.SERVER_BUSY, 'too much in memory');
  }
}
