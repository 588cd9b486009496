import type { Envelope, ListedDeadLetter, Timestamp } from '../../../../src/client/contract.ts';
import { uuidText } from '../../../../src/contract/uuid-text.ts';
import { textOf } from './payload.ts';

/** A line of what is known: text, or a time. */
export interface Property {
  readonly name: string;
  readonly value: string | Timestamp;
}

/** What came with the message, as MQTT calls it; only what was set. */
export function mqttProperties(envelope: Envelope): readonly Property[] {
  const { correlationData, messageExpiryInterval, payloadFormatIndicator, userProperties } = envelope;
  return setOf([
    { name: 'topic name', value: envelope.topicName },
    { name: 'client identifier', value: envelope.clientId },
    { name: 'user name', value: envelope.username },
    { name: 'certificate', value: envelope.clientCertCn },
    { name: 'QoS', value: String(envelope.qos) },
    { name: 'retain', value: envelope.retain ? 'yes' : undefined },
    { name: 'content type', value: envelope.contentType },
    { name: 'response topic', value: envelope.responseTopic },
    { name: 'correlation data', value: correlationData && bytesText(correlationData) },
    {
      name: 'message expiry',
      value: messageExpiryInterval === undefined ? undefined : `${messageExpiryInterval} s`,
    },
    {
      name: 'payload format',
      value:
        payloadFormatIndicator === undefined ? undefined : payloadFormatIndicator === 1 ? 'UTF-8' : 'bytes',
    },
    ...userProperties.map(({ key, value }) => ({ name: `user property ${key}`, value })),
    { name: 'received', value: envelope.receivedTime },
    { name: 'by', value: envelope.node },
    { name: 'hops', value: envelope.hopCount === 0 ? undefined : String(envelope.hopCount) },
    { name: 'message id', value: identityOf(envelope.id) },
  ]);
}

/** How it failed. */
export function failureProperties({ id, deadLetter, redrivenTime }: ListedDeadLetter): readonly Property[] {
  if (!deadLetter) return [];
  const { attempts, firstAttemptTime, lastAttemptTime, generation, serviceId, partition, offset } =
    deadLetter;
  return setOf([
    { name: 'attempts', value: String(attempts) },
    { name: 'first tried', value: firstAttemptTime },
    { name: 'given up', value: lastAttemptTime },
    { name: 'executor', value: serviceId },
    { name: 'generation', value: String(generation) },
    { name: 'was at', value: `partition ${partition}, offset ${offset} of the message topic` },
    { name: 'dead letter', value: id },
    { name: 'redriven', value: redrivenTime },
  ]);
}

/** Only what is set. */
const setOf = (
  lines: readonly { name: string; value: Property['value'] | undefined }[],
): readonly Property[] =>
  lines.flatMap(({ name, value }) => (value === undefined || value === '' ? [] : [{ name, value }]));

/** As text, where it is text that can be read. */
function bytesText(bytes: Uint8Array): string {
  const text = textOf(bytes);
  return text === undefined || /\p{Cc}/u.test(text) ? hexText(bytes) : text;
}

const hexText = (bytes: Uint8Array): string =>
  `0x${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;

const identityOf = (bytes: Uint8Array): string => (bytes.length === 16 ? uuidText(bytes) : '');
