import type { IClientPublishOptions } from 'mqtt';
import type { Envelope } from '../../../../gen/penstock/v1/envelope_pb.ts';
import { UnencodableError } from '../../../contract/body.ts';
import { HOPS } from '../../../contract/hops.ts';
import { type BodyType, soundTopic } from '../../../contract/mqtt-publication.ts';

export type Properties = NonNullable<IClientPublishOptions['properties']>;
type UserProperties = NonNullable<Properties['userProperties']>;

/** The longest string or binary data that MQTT can carry, in bytes. */
const MAX_BYTES = 65_535;

/**
 * The MQTT 5 properties that a message leaves with. Content type and payload format speak of the payload: of another
 * body, `body` does.
 * @param expiry the seconds that are left of its message expiry interval
 * @throws UnencodableError
 */
export function propertiesOf(
  envelope: Envelope,
  body: BodyType | undefined,
  expiry: number | undefined,
): Properties {
  const { responseTopic, correlationData } = envelope;
  const contentType = body ? body.contentType : envelope.contentType;
  const properties: Properties = { userProperties: userPropertiesOf(envelope) };
  if (body ? body.isText : envelope.payloadFormatIndicator === 1) properties.payloadFormatIndicator = true;
  if (expiry !== undefined) properties.messageExpiryInterval = expiry;
  if (contentType !== undefined) properties.contentType = sound('content type', contentType);
  if (responseTopic !== undefined) properties.responseTopic = soundTopic('response topic', responseTopic);
  if (correlationData !== undefined) {
    if (correlationData.byteLength > MAX_BYTES) throw tooLong('correlation data');
    properties.correlationData = bufferOf(correlationData);
  }
  return properties;
}

/** In their order, with repeats: mqtt-packet writes a list of objects with one property each as it comes. */
function userPropertiesOf({ userProperties, hopCount }: Envelope): UserProperties {
  const list: Record<string, string>[] = [];
  for (const { key, value } of userProperties) {
    if (key !== HOPS) list.push({ [sound('user property', key)]: sound('user property', value) });
  }
  list.push({ [HOPS]: String(hopCount + 1) });
  return list as unknown as UserProperties;
}

/** A broker closes the connection for strings that are no MQTT strings, and with it for every message. */
function sound(what: string, text: string): string {
  if (text.includes('\0')) throw new UnencodableError(`${what}: must not contain NUL`);
  if (text.length * 3 > MAX_BYTES && Buffer.byteLength(text) > MAX_BYTES) throw tooLong(what);
  return text;
}

const tooLong = (what: string) => new UnencodableError(`${what}: must not be longer than ${MAX_BYTES} bytes`);

export const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** What properties take in a packet, in bytes, without the length in front of them. */
export function propertiesBytes(properties: Properties): number {
  const { payloadFormatIndicator, messageExpiryInterval, contentType, responseTopic, correlationData } =
    properties;
  let bytes = 0;
  if (payloadFormatIndicator !== undefined) bytes += 2;
  if (messageExpiryInterval !== undefined) bytes += 5;
  for (const text of [contentType, responseTopic]) {
    if (text !== undefined) bytes += 3 + Buffer.byteLength(text);
  }
  if (correlationData !== undefined) bytes += 3 + correlationData.byteLength;
  for (const one of properties.userProperties as unknown as Record<string, string>[]) {
    for (const [key, value] of Object.entries(one)) {
      bytes += 5 + Buffer.byteLength(key) + Buffer.byteLength(value);
    }
  }
  return bytes;
}
