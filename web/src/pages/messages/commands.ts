import type { Envelope } from '../../../../src/client/contract.ts';
import { textOf } from '../dead-letters/payload.ts';

/** A word of a shell, whatever is in it. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

const base64 = (bytes: Uint8Array): string => {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
};

/** Where messages are taken in, as words of a shell. */
export interface Ingress {
  /** The host of its MQTT listener. */
  readonly host: string;
  /** The URL that takes a message over HTTP. */
  readonly messages: string;
}

/**
 * Where a copied command publishes to: the page's own address, where an ingress answers there, too. Else `$PENSTOCK_INGRESS`, the host
 * of one, with the scheme and the port of the page.
 * @param base where the API is
 */
export function ingressAt(base: string, isHere: boolean): Ingress {
  const { protocol, hostname, port } = new URL(base);
  if (isHere) return { host: quoted(hostname), messages: quoted(`${base}${MESSAGES}`) };
  const at = `\${PENSTOCK_INGRESS}${port === '' ? '' : `:${port}`}`;
  return { host: '"$PENSTOCK_INGRESS"', messages: `"${protocol}//${at}${MESSAGES}"` };
}

const MESSAGES = '/api/v1/messages';

/** Publishes a message like this one as a device would. */
export function mosquittoCommand(envelope: Envelope, { host }: Ingress): string {
  const { topicName, payload, qos, retain, userProperties } = envelope;
  const text = textOf(payload);
  const isPlain = text !== undefined && !text.includes('\0') && payload.length > 0;
  const properties = [
    ...oneOf('content-type', envelope.contentType),
    ...oneOf('response-topic', envelope.responseTopic),
    ...oneOf('correlation-data', envelope.correlationData && textOf(envelope.correlationData)),
    ...oneOf('message-expiry-interval', envelope.messageExpiryInterval?.toString()),
    ...userProperties.map(({ key, value }) => `-D publish user-property ${quoted(key)} ${quoted(value)}`),
  ];
  const words = [
    `mosquitto_pub -h ${host} -V 5 -t ${quoted(topicName)} -q ${qos}`,
    ...(retain ? ['-r'] : []),
    ...properties,
    payload.length === 0 ? '-n' : isPlain ? `-m ${quoted(text)}` : '-s',
  ];
  const command = words.join(' ');
  return isPlain || payload.length === 0
    ? command
    : `printf %s ${quoted(base64(payload))} | base64 -d | ${command}`;
}

const oneOf = (name: string, value: string | undefined): readonly string[] =>
  value === undefined || value.includes('\0') ? [] : [`-D publish ${name} ${quoted(value)}`];

/** Publishes a message like this one over the API. @param hasLogin whether it asks for a token */
export function curlCommand(envelope: Envelope, { messages }: Ingress, hasLogin: boolean): string {
  const { topicName, payload, clientId, qos, retain, userProperties } = envelope;
  const { contentType, responseTopic, correlationData, messageExpiryInterval } = envelope;
  const body = {
    topic_name: topicName,
    payload: base64(payload),
    ...(clientId !== '' && { client_id: clientId }),
    qos,
    ...(retain && { retain }),
    ...(userProperties.length > 0 && {
      user_properties: userProperties.map(({ key, value }) => ({ key, value })),
    }),
    // What is not set is left out.
    content_type: contentType,
    response_topic: responseTopic,
    correlation_data: correlationData && base64(correlationData),
    message_expiry_interval: messageExpiryInterval,
  };
  const token = hasLogin ? ' -H "authorization: Bearer $PENSTOCK_TOKEN"' : '';
  const json = quoted(JSON.stringify(body));
  return `curl ${messages} -H 'content-type: application/json'${token} -d ${json}`;
}
