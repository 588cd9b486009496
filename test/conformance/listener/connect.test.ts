import {
  connect,
  hex,
  packet,
  properties,
  publish,
  string,
  uint16,
  type Version,
} from '../../helpers/mqtt-bytes.ts';
import { all, type Statement, statements } from '../../helpers/mqtt-statements.ts';
import { NO_TEXT } from '../../helpers/no-text.ts';

const CLOSED = all('closed');
const ACCEPTED = all('connack');
const WILL = (version: Version, topic: string | Buffer = 'w', props = hex('')) =>
  Buffer.concat([properties(version, props), string(topic), string('gone')]);
const only5 = (told: string) => ({ 5: told });
/** Older clients are not told: their CONNACK has no code for it. */
const refused = (code: string): Record<Version, string> => ({
  3: 'closed',
  4: 'closed',
  5: `connack ${code}, closed`,
});
const MALFORMED = refused('0x81');

const TABLE: readonly Statement[] = [
  {
    numbers: 'MQTT-3.1.0-1',
    what: 'the first packet is a CONNECT',
    send: (version) => [
      publish(version),
      hex('c000'),
      hex('e000'),
      hex('8206000100000161'),
      hex('f000'),
      hex('0000'),
    ],
    told: CLOSED,
  },
  {
    numbers: 'MQTT-3.1.2-1',
    what: 'another protocol name is not served',
    send: (version) => ['MQTX', 'mqtt', '', 'MQTT\x01', 'MQIsdq'].map((name) => connect(version, { name })),
    told: CLOSED,
  },
  {
    numbers: 'MQTT-3.1.2-2',
    what: 'an unsupported level is told, then closed',
    send: () => [0, 1, 2, 3].map((level) => connect(4, { level })),
    told: { 4: 'connack 0x01, closed' },
  },
  {
    numbers: 'MQTT-3.1.2-2',
    what: 'a level above 5, also with the bit of a bridge, is told 0x84, then closed',
    send: () => [6, 7, 100, 0x85, 0xff].map((level) => connect(5, { level })),
    told: only5('connack 0x84, closed'),
  },
  {
    numbers: 'MQTT-3.1.2-2',
    what: 'a bridge sets a bit of the level, before 5.0',
    send: (version) => connect(version, { level: version | 0x80 }),
    told: { 3: 'connack', 4: 'connack' },
  },
  {
    numbers: 'MQTT-3.1.2-3',
    what: 'the reserved flag of CONNECT is 0',
    send: (version) => connect(version, { flags: 3 }),
    told: MALFORMED,
  },
  {
    numbers: 'MQTT-2.2.2-2; MQTT-2.1.3-1',
    what: 'the flags in the header of CONNECT are 0',
    send: (version) => [1, 2, 4, 8, 15].map((flags) => connect(version, { first: 0x10 | flags })),
    told: CLOSED,
  },
  {
    numbers: 'MQTT-3.1.4-1',
    what: 'a CONNECT that is too long or too short is not accepted',
    send: (version) => [
      connect(version, { rest: hex('00') }),
      connect(version, { rest: string('x') }),
      packet(0x10, string(version === 3 ? 'MQIsdp' : 'MQTT'), Buffer.from([version, 2]), hex('00')),
    ],
    told: MALFORMED,
  },
  {
    numbers: 'MQTT-3.1.2-18..21; MQTT-3.1.2-16..19',
    what: 'user name and password are there where their flags say so',
    send: (version) => [
      connect(version, { flags: 0x82, rest: string('u') }),
      connect(version, { flags: 0xc2, rest: Buffer.concat([string('u'), string(hex('00ff'))]) }),
      connect(version, { flags: 0xc2, rest: hex('0000 0000') }),
    ],
    told: ACCEPTED,
  },
  {
    numbers: 'MQTT-3.1.2-19, 21; MQTT-3.1.2-17, 19',
    what: 'a user name or password whose flag is set and that is missing: 3.1 allows it',
    send: (version) => [
      connect(version, { flags: 0x82 }),
      connect(version, { flags: 0xc2 }),
      connect(version, { flags: 0xc2, rest: string('u') }),
      connect(version, { flags: 0xc6, rest: WILL(version) }),
    ],
    told: { ...MALFORMED, 3: 'connack' },
  },
  {
    numbers: 'MQTT-3.1.2-22',
    what: 'a password without a user name: only 5.0 allows it',
    send: (version) => connect(version, { flags: 0x42, rest: string('p') }),
    told: { 3: 'closed', 4: 'closed', 5: 'connack' },
  },
  {
    numbers: 'MQTT-3.1.2-11, 13, 15; MQTT-3.1.2-11, 13',
    what: 'QoS and RETAIN of a will that is not there: 3.1 disregards them',
    send: (version) => [0x0a, 0x12, 0x1a, 0x22].map((flags) => connect(version, { flags })),
    told: { ...MALFORMED, 3: 'connack' },
  },
  {
    numbers: 'MQTT-3.1.2-14; MQTT-3.1.2-12',
    what: 'the QoS of a will is not 3',
    send: (version) => connect(version, { flags: 0x1e, rest: WILL(version) }),
    told: MALFORMED,
  },
  {
    numbers: 'MQTT-3.1.2-9',
    what: 'a will is there where its flag says so, with any QoS and RETAIN',
    send: (version) =>
      [0x06, 0x0e, 0x16, 0x26, 0x2e, 0x36].map((flags) => connect(version, { flags, rest: WILL(version) })),
    told: ACCEPTED,
  },
  {
    numbers: 'MQTT-3.1.2-9',
    what: 'a will that is missing',
    send: (version) => connect(version, { flags: 0x06 }),
    told: MALFORMED,
  },
  {
    numbers: 'MQTT-4.7.1-1, 4.7.3-1, 4.7.3-2; MQTT-4.7.0-1, 4.7.3-1, 4.7.3-2',
    what: 'the topic of a will is a topic name',
    send: (version) =>
      ['', '#', '+', 'a/+', 'a/#', 'a+b'].map((topic) =>
        connect(version, { flags: 0x06, rest: WILL(version, topic) }),
      ),
    told: refused('0x90'),
  },
  {
    numbers: 'MQTT-3.3.2-14, 4.7.3-1',
    what: 'the Response Topic of a will is a topic name',
    send: (version) =>
      ['', '#', 'a/+', 'a#'].map((topic) =>
        connect(version, {
          flags: 0x06,
          rest: WILL(version, 'w', Buffer.concat([hex('08'), string(topic)])),
        }),
      ),
    told: only5('connack 0x90, closed'),
  },
  {
    numbers: 'MQTT-1.5.3-1, 1.5.3-2, 3.1.3-4, 10, 11; MQTT-1.5.4-1, 1.5.4-2, 3.1.3-4, 11, 12',
    what: 'every string is UTF-8 without NUL',
    send: (version) =>
      NO_TEXT.flatMap((text) => [
        connect(version, { clientId: text }),
        connect(version, { flags: 0x82, rest: string(text) }),
        connect(version, { flags: 0x06, rest: WILL(version, text) }),
      ]),
    told: MALFORMED,
  },
  {
    numbers: 'MQTT-3.1.3-5',
    what: 'client ids of 1 to 23 letters and digits, and longer ones',
    send: (version) =>
      ['a', 'Z', '0', '0123456789abcdefghijklm', 'nopqrstuvwxyzABCDEFGHIJ', 'x'.repeat(1000), 'ä/ #+'].map(
        (clientId) => connect(version, { clientId }),
      ),
    told: ACCEPTED,
  },
  {
    numbers: 'MQTT-3.1.3-6, 7',
    what: 'an empty client id with a clean session: 3.1 has none',
    send: (version) => connect(version, { clientId: '' }),
    told: { 3: 'connack 0x02, closed', 4: 'connack', 5: 'connack' },
  },
  {
    numbers: 'MQTT-3.1.3-8, 9; MQTT-3.1.3-6',
    what: 'an empty client id without a clean session: 5.0 allows it',
    send: (version) => connect(version, { clientId: '', flags: 0 }),
    told: { 3: 'connack 0x02, closed', 4: 'connack 0x02, closed', 5: 'connack' },
  },
  {
    numbers: 'MQTT-4.13.1-1',
    what: 'properties of CONNECT: each known, once, where it may be and in its range',
    send: (version) =>
      [
        '1100000001 1100000001', // twice
        '0101', // of a message
        '23 0001',
        '0b 01',
        '2401', // of a server
        '7f 00', // unknown
        '21 0000', // Receive Maximum 0
        '27 00000000', // Maximum Packet Size 0
        '1702', // neither 0 nor 1
        '1902',
        '16 0001 78', // Authentication Data without a method
      ].map((props) => connect(version, { props: hex(props) })),
    told: only5('connack 0x82, closed'),
  },
  {
    numbers: 'MQTT-4.13.1-1',
    what: 'properties of CONNECT that are cut short',
    send: (version) =>
      ['11 0000', '26 0001', '15 0005 78'].map((props) => connect(version, { props: hex(props) })),
    told: only5('connack 0x81, closed'),
  },
  {
    numbers: 'MQTT-4.12.0-1',
    what: 'a method of authentication is not supported',
    send: (version) =>
      connect(version, { props: Buffer.concat([hex('15'), string('SCRAM'), hex('16 0001 78')]) }),
    told: only5('connack 0x8c, closed'),
  },
  {
    numbers: 'MQTT-3.1.2-24',
    what: 'no CONNACK is larger than the client takes: it has no announcements, or is a refusal, or none',
    send: (version) =>
      [5, 10, 20].map((bytes) => connect(version, { props: Buffer.concat([hex('27 0000'), uint16(bytes)]) })),
    told: only5('connack'),
  },
  {
    numbers: 'MQTT-3.1.2-24',
    what: 'a client that does not take even the client id that it was given is refused',
    send: (version) =>
      [5, 20, 40].map((bytes) =>
        connect(version, { clientId: '', props: Buffer.concat([hex('27 0000'), uint16(bytes)]) }),
      ),
    told: only5('connack 0x83, closed'),
  },
  {
    numbers: 'MQTT-3.1.2-24',
    what: 'a client that takes no CONNACK at all gets none',
    send: (version) =>
      [1, 2, 4].map((bytes) => connect(version, { props: Buffer.concat([hex('27 0000'), uint16(bytes)]) })),
    told: only5('closed'),
  },
  {
    numbers: 'MQTT-3.1.2-24',
    what: 'a refusal is not larger than the client takes, whatever it is for',
    send: (version) =>
      [hex('27 00000004'), hex('27 00000004 16 0001 78')].map((props) =>
        connect(version, { flags: 0x06, props, rest: WILL(version, '#') }),
      ),
    told: only5('closed'),
  },
  {
    numbers: 'MQTT-3.1.4-5; MQTT-3.1.4-6',
    what: 'what follows a CONNECT that is refused is not handled',
    send: (version) => Buffer.concat([connect(version, { level: 1 }), publish(version)]),
    told: { 4: 'connack 0x01, closed', 5: 'connack 0x01, closed' },
  },
  {
    numbers: 'MQTT-3.1.4-4; MQTT-3.1.4-5, 3.2.0-1',
    what: 'CONNACK comes first, also when a message came with the CONNECT',
    send: (version) => Buffer.concat([connect(version), publish(version, { id: 5 })]),
    told: all('connack, puback 5'),
  },
  {
    numbers: 'MQTT-3.1.0-2, 3.2.0-2',
    what: 'a second CONNECT ends the connection, and is not answered',
    send: (version) => Buffer.concat([connect(version), connect(version)]),
    told: { 3: 'connack, closed', 4: 'connack, closed', 5: 'connack, disconnect 0x82, closed' },
  },
];

statements(TABLE, { connected: false });
