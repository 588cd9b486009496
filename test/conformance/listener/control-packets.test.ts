import { hex, packet, publish, string, subscribe, uint16, type Version } from '../../helpers/mqtt-bytes.ts';
import { ends, type Statement, statements } from '../../helpers/mqtt-statements.ts';
import { NO_TEXT } from '../../helpers/no-text.ts';

const only5 = (told: string) => ({ 5: told });
const before5 = (told: string) => ({ 3: told, 4: told });
const RESERVED = Array.from({ length: 15 }, (_, index) => index + 1);
/** All flags but 2 alone, and but that with the DUP of 3.1. */
const NOT_QOS_1 = Array.from({ length: 16 }, (_, flags) => flags).filter(
  (flags) => flags !== 2 && flags !== 10,
);
const filter = (name: string | Buffer, options = 0) => Buffer.concat([string(name), Buffer.from([options])]);
const unsubscribe = (
  version: Version,
  filters: readonly Buffer[],
  init: { id?: number; props?: Buffer } = {},
) => subscribe(version, filters, { first: 0xa2, ...init });
/** The DISCONNECT of 5.0, with what follows its header. */
const disconnect = (body: string) => packet(0xe0, hex(body));
const pubrel = (body: string) => packet(0x62, hex(body));

const TABLE: readonly Statement[] = [
  {
    numbers: 'MQTT-2.2.2-2; MQTT-2.1.3-1',
    what: 'reserved flags of PINGREQ',
    send: () => RESERVED.map((flags) => Buffer.from([0xc0 | flags, 0])),
    told: ends(0x81),
  },
  {
    numbers: 'MQTT-2.2.2-2, 3.14.1-1; MQTT-2.1.3-1, 3.14.1-1',
    what: 'reserved flags of DISCONNECT',
    send: () => RESERVED.map((flags) => Buffer.from([0xe0 | flags, 0])),
    told: ends(0x81),
  },
  {
    numbers: 'MQTT-2.2.2-2, 3.6.1-1, 3.8.1-1, 3.10.1-1; MQTT-2.1.3-1, 3.6.1-1, 3.8.1-1, 3.10.1-1',
    what: 'flags of PUBREL, SUBSCRIBE and UNSUBSCRIBE that are not 0010',
    send: (version) =>
      NOT_QOS_1.flatMap((flags) => [
        packet(0x60 | flags, uint16(1)),
        subscribe(version, [filter('a')], { first: 0x80 | flags }),
        subscribe(version, [string('a')], { first: 0xa0 | flags }),
      ]),
    told: ends(0x81),
  },
  {
    numbers: 'MQTT-3.6.1-1, 3.8.1-1, 3.10.1-1',
    what: 'PUBREL, SUBSCRIBE and UNSUBSCRIBE that come again: 3.1 has DUP for that',
    send: (version) =>
      Buffer.concat([
        publish(version, { id: 7, flags: 12 }),
        packet(0x6a, uint16(9)),
        subscribe(version, [filter('a')], { first: 0x8a }),
        subscribe(version, [string('a')], { first: 0xaa, id: 2 }),
      ]),
    told: { 3: 'pubcomp 9, suback 1 0x80, unsuback 2, pubrec 7', 4: 'closed', 5: 'disconnect 0x81, closed' },
  },
  {
    numbers: 'MQTT-4.13.1-1',
    what: 'PINGREQ with a body, DISCONNECT with one before 5.0',
    send: () => [hex('c0 01 00'), hex('c0 02 0000')],
    told: ends(0x81),
  },
  {
    numbers: 'MQTT-4.13.1-1',
    what: 'DISCONNECT with a body',
    send: () => [disconnect('00'), disconnect('0000')],
    told: before5('closed'),
  },
  {
    numbers: 'MQTT-4.8.0-1; MQTT-4.13.1-1',
    what: 'packets that only a server sends, and the reserved type',
    send: () => [hex('20 02 0000'), hex('90 03 000100'), hex('b0 02 0001'), hex('d0 00'), hex('00 00')],
    told: ends(0x82),
  },
  {
    numbers: 'MQTT-4.8.0-1; MQTT-4.13.1-1',
    what: 'acknowledgements of messages that this server never sends',
    send: () => [hex('40 02 0001'), hex('50 02 0001'), hex('70 02 0001')],
    told: ends(0x82),
  },
  {
    numbers: 'MQTT-4.12.0-6',
    what: 'AUTH without a method in the CONNECT; before 5.0 its type is reserved',
    send: () => [hex('f0 00'), hex('f0 02 1800'), hex('f0 02 1900')],
    told: ends(0x82),
  },
  {
    numbers: 'MQTT-2.2.3; MQTT-1.5.5',
    what: 'a Remaining Length of more than four bytes',
    send: () => [hex('30 80 80 80 80 01'), hex('30 ff ff ff ff 7f')],
    told: ends(0x81),
  },
  {
    numbers: 'MQTT-3.2.2-15',
    what: 'a packet that says it is larger than was announced, before it is there',
    send: () => [hex('30 81 80 04'), hex('30 ff ff ff 7f')],
    told: ends(0x95),
  },
  {
    numbers: 'MQTT-2.3.1-1; MQTT-2.2.1-3',
    what: 'a packet identifier of 0',
    send: (version) => [
      packet(0x62, uint16(0)),
      subscribe(version, [filter('a')], { id: 0 }),
      unsubscribe(version, [string('a')], { id: 0 }),
    ],
    told: ends(0x81),
  },
  {
    numbers: 'MQTT-3.8.4-1, 2, 5, 3.9.3-1, 2; MQTT-3.8.4-1, 2, 6, 3.9.3-1, 2',
    what: 'SUBSCRIBE is answered with its packet identifier and a code for each filter',
    send: (version) =>
      subscribe(
        version,
        ['a', '#', '+/b', '$share/g/a'].map((name) => filter(name, 2)),
        { id: 0xabcd },
      ),
    told: { ...before5('suback 43981 0x80 0x80 0x80 0x80'), 5: 'suback 43981 0x87 0x87 0x87 0x87' },
  },
  {
    numbers: 'MQTT-3.10.4-4, 5, 6; MQTT-3.10.4-4, 5, 6, 3.11.3-1',
    what: 'UNSUBSCRIBE is answered with its packet identifier; in 5.0 with a code for each filter',
    send: (version) => unsubscribe(version, [string('a'), string('b/#')], { id: 77 }),
    told: { ...before5('unsuback 77'), 5: 'unsuback 77 0x11 0x11' },
  },
  {
    numbers: 'MQTT-1.5.3-1, 2, 3.8.3-1, 3.10.3-1; MQTT-1.5.4-1, 2, 3.8.3-1, 3.10.3-1',
    what: 'a filter that is not UTF-8, or has a NUL, also behind others',
    send: (version) =>
      NO_TEXT.flatMap((text) => [
        subscribe(version, [filter(text)]),
        subscribe(version, [filter('a'), filter(text)]),
        unsubscribe(version, [string(text)]),
        unsubscribe(version, [string('a'), string(text)]),
      ]),
    told: ends(0x81),
  },
  {
    numbers: 'MQTT-4.7.1-2, 3, 4.7.3-1; MQTT-4.7.1-1, 2, 4.7.3-1',
    what: 'a filter that is empty, or has a wildcard where none may stand',
    send: (version) =>
      ['', '#/a', 'a#', 'a+', '+a/b', 'a/#/b'].flatMap((name) => [
        subscribe(version, [filter(name)]),
        unsubscribe(version, [string(name)]),
      ]),
    told: ends(0x8f),
  },
  {
    numbers: 'MQTT-3.8.3-3, 3.10.3-2; MQTT-3.8.3-2, 3.10.3-2',
    what: 'no filter at all',
    send: (version) => [subscribe(version, []), unsubscribe(version, [])],
    told: ends(0x82),
  },
  {
    numbers: 'MQTT-3.8.3-4; MQTT-3.8.3-5',
    what: 'reserved bits of a subscription, a QoS of 3, and a SUBSCRIBE that ends early',
    send: (version) => [
      ...[3, 0x40, 0x80, 0xff].map((options) => subscribe(version, [filter('a', options)])),
      subscribe(version, [string('a')]),
      subscribe(version, [hex('0009 61')]),
    ],
    told: ends(0x81),
  },
  {
    numbers: 'MQTT-3.8.3-4',
    what: 'a Retain Handling of 3, and No Local on a shared subscription',
    send: (version) => [
      subscribe(version, [filter('a', 0x30)]),
      subscribe(version, [filter('$share/g/a', 4)]),
    ],
    told: only5('disconnect 0x82, closed'),
  },
  {
    numbers: 'MQTT-4.13.1-1',
    what: 'properties of SUBSCRIBE and UNSUBSCRIBE that are twice, of another packet, or out of their range',
    send: (version) => [
      ...['0b01 0b01', '0b00', '1f 0000', '11 00000001'].map((props) =>
        subscribe(version, [filter('a')], { props: hex(props) }),
      ),
      ...['0b01', '1f 0000'].map((props) => unsubscribe(version, [string('a')], { props: hex(props) })),
    ],
    told: only5('disconnect 0x82, closed'),
  },
  {
    numbers: 'MQTT-3.7.2-1',
    what: 'PUBREL is answered with PUBCOMP, also of a packet identifier that is not known',
    send: () => packet(0x62, uint16(9)),
    told: { ...before5('pubcomp 9'), 5: 'pubcomp 9 0x92' },
  },
  {
    numbers: 'MQTT-3.6.2-1',
    what: 'PUBREL with a reason code that it has, and its properties',
    send: () =>
      ['0009 00', '0009 92', '0009 00 00', '0009 92 03 1f 0000', '0009 00 05 26 0000 0000'].map(pubrel),
    told: only5('pubcomp 9 0x92'),
  },
  {
    numbers: 'MQTT-3.6.2-1',
    what: 'PUBREL with a reason code that it has not, or a property that is twice or of another packet',
    send: () =>
      ['0001 01', '0001 80', '0001 00 06 1f 0000 1f 0000', '0001 00 02 01 00', '0001 00 01 7f'].map(pubrel),
    told: only5('disconnect 0x82, closed'),
  },
  {
    numbers: 'MQTT-4.13.1-1',
    what: 'PUBREL that is cut short, or goes on after its end',
    send: () => ['00', '0001 00 09', '0001 00 01 1f', `0001 00 00 ${'ff'.repeat(50)}`].map(pubrel),
    told: only5('disconnect 0x81, closed'),
  },
  {
    numbers: 'MQTT-4.8.0-1',
    what: 'PUBREL with more than a packet identifier',
    send: () => [packet(0x62, hex('0001 00')), packet(0x62, hex('0001 0000'))],
    told: before5('closed'),
  },
  {
    numbers: 'MQTT-3.14.2-1',
    what: 'DISCONNECT with a reason that a client may have, and its properties',
    send: () => [
      disconnect(''),
      ...[0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99].map((code) =>
        packet(0xe0, Buffer.from([code])),
      ),
      disconnect('00 00'),
      disconnect('04 0c 11 00000000 1f 0004 62796521'),
      disconnect('00 0a 26 0000 0000 26 0000 0000'),
    ],
    told: only5('closed'),
  },
  {
    numbers: 'MQTT-3.14.2-1',
    what: 'DISCONNECT with a reason that only a server has, or nobody',
    send: () =>
      [0x01, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x9a, 0x9c, 0xa2, 0xff].map((code) =>
        packet(0xe0, Buffer.from([code])),
      ),
    told: only5('disconnect 0x82, closed'),
  },
  {
    numbers: 'MQTT-3.14.2-2, 4.13.1-1',
    what: 'DISCONNECT with a property of a server, of another packet, twice, or with a session that was to end',
    send: () =>
      [
        '00 04 1c 0001 78',
        '00 02 01 00',
        '00 03 21 0001',
        '00 0a 11 00000000 11 00000000',
        '00 05 11 00000001',
      ].map(disconnect),
    told: only5('disconnect 0x82, closed'),
  },
  {
    numbers: 'MQTT-4.13.1-1',
    what: 'DISCONNECT that is cut short, or goes on after its end',
    send: () => ['00 05 11', '00 00 ff', '00 09'].map(disconnect),
    told: only5('disconnect 0x81, closed'),
  },
];

statements(TABLE);
