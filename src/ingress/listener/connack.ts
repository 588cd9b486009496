import { generate, type IConnackPacket } from 'mqtt-packet';
import { MAX_TOPIC_ALIASES } from './client.ts';
import { type ConnectPacket, ConnectRefusal } from './connect-packet.ts';
import { MAX_IN_FLIGHT } from './fair-shares.ts';
import { ReasonCode } from './protocol.ts';
import { MAX_SESSION_EXPIRY } from './session-expiry.ts';

type ConnackProperties = NonNullable<IConnackPacket['properties']>;

/**
 * What a client is told of the server when it is accepted, as `clientId`. The limits hold for one that takes too small packets
 * to be told them, too.
 * @throws ConnectRefusal when it does not take even what it must be told
 */
export function connackProperties(
  connect: ConnectPacket,
  clientId: string,
  maximumPacketSize: number,
): ConnackProperties {
  const due = {
    ...(connect.clientId === '' && { assignedClientIdentifier: clientId }),
    ...(connect.sessionExpiry > MAX_SESSION_EXPIRY && { sessionExpiryInterval: MAX_SESSION_EXPIRY }),
  };
  const all = {
    ...due,
    receiveMaximum: MAX_IN_FLIGHT,
    maximumPacketSize,
    topicAliasMaximum: MAX_TOPIC_ALIASES,
    wildcardSubscriptionAvailable: false,
    subscriptionIdentifiersAvailable: false,
    sharedSubscriptionAvailable: false,
  };
  if (connect.maximumPacketSize === Infinity) return all;
  for (const properties of [all, due]) {
    if (connackBytes(properties) <= connect.maximumPacketSize) return properties;
  }
  const limit = `a Maximum Packet Size of ${connect.maximumPacketSize} bytes, too small for a CONNACK`;
  throw new ConnectRefusal(connect, ReasonCode.IMPLEMENTATION_SPECIFIC_ERROR, limit);
}

const connackBytes = (properties: ConnackProperties) =>
  generate({ cmd: 'connack', sessionPresent: false, reasonCode: 0, properties }, { protocolVersion: 5 })
    .length;
