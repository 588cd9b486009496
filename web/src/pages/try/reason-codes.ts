/** What MQTT 5.0 says by a number (section 2.4), in words that say what to do. */
const CODES: Readonly<Record<number, string>> = {
  0: 'taken in',
  16: 'taken in, but no integration takes this topic',
  128: 'refused, without a reason',
  129: 'a packet could not be read',
  130: 'the protocol was broken',
  131: 'not taken in now: try again',
  132: 'this version of MQTT is not spoken here',
  133: 'the client id is not allowed',
  134: 'user name or password is wrong',
  135: 'not allowed',
  136: 'the server is not available: try again',
  137: 'the server is busy: try again',
  139: 'the server is stopping: connect again',
  142: 'another client took over this client id',
  144: 'the topic name is not valid',
  149: 'the message is too large',
  151: 'a quota is exceeded: send more slowly',
  153: 'the payload is not of the format that it says',
  154: 'retained messages are not kept here',
  155: 'this quality of service is not spoken here',
};

/** A reason code with its number and what it means. */
export function reasonText(code: number): string {
  return `0x${code.toString(16).padStart(2, '0')}: ${CODES[code] ?? 'see section 2.4 of MQTT 5.0'}`;
}
