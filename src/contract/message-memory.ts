/** A message with more user properties is not taken in: each costs far more memory than its bytes on the wire. */
export const MAX_USER_PROPERTIES = 1000;
/** Of all keys and values of a message together, as UTF-8. */
export const MAX_USER_PROPERTY_BYTES = 65_536;

/** What an object with two strings takes besides their characters, about. */
const PROPERTY = 128;

interface Texts {
  readonly topicName: string;
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly clientCertCn?: string | undefined;
  readonly userProperties: readonly { readonly key: string; readonly value: string }[];
  readonly contentType?: string | undefined;
  readonly responseTopic?: string | undefined;
}

/** What the texts of a message keep in memory, in bytes: at most two for each character, whatever they took on the wire. */
export function textMemory(message: Texts): number {
  const { topicName, clientId, username, clientCertCn, contentType, responseTopic } = message;
  let characters = topicName.length + clientId.length;
  for (const text of [username, clientCertCn, contentType, responseTopic]) characters += text?.length ?? 0;
  for (const { key, value } of message.userProperties) characters += key.length + value.length;
  return 2 * characters + PROPERTY * message.userProperties.length;
}
