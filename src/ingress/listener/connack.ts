import type { IConnackPacket } from 'mqtt-packet';
import { MAX_TOPIC_ALIASES } from './client.ts';
import type { ConnectPacket } from './connect-packet.ts';
import { MAX_IN_FLIGHT } from './fair-shares.ts';
import { MAX_SESSION_EXPIRY } from './sessions.ts';

/** What a client is told of the server when it is accepted, as `clientId`. */
export function connackProperties(
  connect: ConnectPacket,
  clientId: string,
  maximumPacketSize: number,
): NonNullable<IConnackPacket['properties']> {
  return {
    receiveMaximum: MAX_IN_FLIGHT,
    maximumPacketSize,
    topicAliasMaximum: MAX_TOPIC_ALIASES,
    wildcardSubscriptionAvailable: false,
    subscriptionIdentifiersAvailable: false,
    sharedSubscriptionAvailable: false,
    ...(connect.clientId === '' && { assignedClientIdentifier: clientId }),
    ...(connect.sessionExpiry > MAX_SESSION_EXPIRY && { sessionExpiryInterval: MAX_SESSION_EXPIRY }),
  };
}
