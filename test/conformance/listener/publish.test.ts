import { hex, publish, string, uint16, type Version } from '../../helpers/mqtt-bytes.ts';
import { all, ends, type Statement, statements } from '../../helpers/mqtt-statements.ts';
import { NO_TEXT } from '../../helpers/no-text.ts';

const only5 = (told: string) => ({ 5: told });
const withProps = (version: Version, ...props: readonly Buffer[]) =>
  publish(version, { props: Buffer.concat(props) });
const userProperty = (key: Buffer, value: Buffer) => Buffer.concat([hex('26'), string(key), string(value)]);
const SOUND = Buffer.from('sound');

const TABLE: readonly Statement[] = [
  {
    numbers: 'MQTT-4.3.2-2, 2.3.1-6; MQTT-4.3.2-4, 2.2.1-5',
    what: 'QoS 1 is answered with a PUBACK of the same packet identifier, whatever DUP says; before 5.0 of two bytes',
    send: (version) => [publish(version, { id: 0xabcd }), publish(version, { id: 0xabcd, flags: 10 })],
    told: all('puback 43981'),
  },
  {
    numbers: 'MQTT-4.3.3-2; MQTT-4.3.3-8',
    what: 'QoS 2 is answered with a PUBREC of the same packet identifier',
    send: (version) => publish(version, { id: 65_535, flags: 4 }),
    told: all('pubrec 65535'),
  },
  {
    numbers: 'MQTT-4.3.1-1',
    what: 'QoS 0 is not answered, and has no packet identifier',
    send: (version) => [publish(version, { flags: 0 }), publish(version, { flags: 1, payload: '' })],
    told: all(''),
  },
  {
    numbers: 'MQTT-3.3.1-4',
    what: 'a QoS of 3',
    send: (version) => [publish(version, { flags: 6 }), publish(version, { flags: 15 })],
    told: ends(0x81),
  },
  {
    numbers: 'MQTT-2.3.1-1; MQTT-2.2.1-3',
    what: 'a packet identifier of 0',
    send: (version) => [publish(version, { id: 0 }), publish(version, { id: 0, flags: 4 })],
    told: ends(0x81),
  },
  {
    numbers: 'MQTT-3.3.2-2, 4.7.1-1; MQTT-3.3.2-2, 4.7.0-1',
    what: 'a wildcard in a topic name',
    send: (version) => ['+', '#', 'a/+', 'a/#', 'a+b', 'a#'].map((topic) => publish(version, { topic })),
    told: ends(0x90),
  },
  {
    numbers: 'MQTT-4.7.3-1',
    what: 'an empty topic name',
    send: (version) => [publish(version, { topic: '' }), publish(version, { topic: '', flags: 0 })],
    told: ends(0x82),
  },
  {
    numbers: 'MQTT-1.5.3-1, 1.5.3-2, 3.3.2-1, 4.7.3-2; MQTT-1.5.4-1, 1.5.4-2, 3.3.2-1, 4.7.3-2',
    what: 'a topic name that is not UTF-8, or has a NUL',
    send: (version) => NO_TEXT.map((topic) => publish(version, { topic })),
    told: ends(0x81),
  },
  {
    numbers: 'MQTT-1.5.3-3, 4.7.3-3; MQTT-1.5.4-3, 4.7.3-3',
    what: 'other topic names are taken as they are, up to 65,535 bytes',
    send: (version) =>
      ['\ufeffa', '/', '//', '$SYS/a', 'a b', '\u0001', '\uffff', 'x'.repeat(64_000), '/'.repeat(64_000)].map(
        (topic) => publish(version, { topic }),
      ),
    told: all('puback 1'),
  },
  {
    numbers: 'MQTT-3.3.2-14, 4.7.3-1',
    what: 'a Response Topic that is no topic name',
    send: (version) =>
      ['', '#', '+', 'answers/#', 'answers/+/x', 'a+b'].flatMap((topic) =>
        [0, 2, 4].map((flags) =>
          publish(version, { flags, props: Buffer.concat([hex('08'), string(topic)]) }),
        ),
      ),
    told: only5('disconnect 0x90, closed'),
  },
  {
    numbers: 'MQTT-3.3.2-13, 19, 1.5.7-1',
    what: 'a property that is not UTF-8, or has a NUL',
    send: (version) =>
      NO_TEXT.flatMap((text) => [
        withProps(version, hex('08'), string(text)),
        withProps(version, hex('03'), string(text)),
        withProps(version, userProperty(text, SOUND)),
        withProps(version, userProperty(SOUND, text)),
      ]),
    told: only5('disconnect 0x81, closed'),
  },
  {
    numbers: 'MQTT-3.3.2-4, 15..18, 20',
    what: 'all properties, each once, user properties any number of times',
    send: (version) =>
      withProps(
        version,
        userProperty(SOUND, SOUND),
        hex('0101 02 00000001 03 0000 08 0001 72 09 0001 ff'),
        userProperty(SOUND, SOUND),
      ),
    told: only5('puback 1'),
  },
  {
    numbers: 'MQTT-4.13.1-1',
    what: 'a property twice, in another packet than its own, out of its range, or one that is not known',
    send: (version) =>
      ['0100 0100', '11 00000001', '18 00000001', '7f', '0102', '2401', '12 0000'].map((props) =>
        withProps(version, hex(props)),
      ),
    told: only5('disconnect 0x82, closed'),
  },
  {
    numbers: 'MQTT-4.13.1-1',
    what: 'a property that ends early, or whose length is that of more than the packet',
    send: (version) => [
      withProps(version, hex('02 0000')),
      withProps(version, hex('26 0001 61')),
      Buffer.concat([hex('32 06 0001 61 0001'), hex('7f')]),
      Buffer.concat([hex('32 09 0001 61 0001'), hex('80808080')]),
    ],
    told: only5('disconnect 0x81, closed'),
  },
  {
    numbers: 'MQTT-3.3.4-6',
    what: 'a Subscription Identifier',
    send: (version) => withProps(version, hex('0b 01')),
    told: only5('disconnect 0x82, closed'),
  },
  {
    numbers: 'MQTT-3.3.2-8, 9',
    what: 'a topic alias of 0, or beyond the maximum that was announced',
    send: (version) => [0, 65, 65_535].map((alias) => withProps(version, hex('23'), uint16(alias))),
    told: only5('disconnect 0x94, closed'),
  },
  {
    numbers: 'MQTT-3.3.2-7',
    what: 'a topic alias that this connection has not set',
    send: (version) => publish(version, { topic: '', props: hex('23 0001') }),
    told: only5('disconnect 0x82, closed'),
  },
  {
    numbers: 'MQTT-3.3.2-10, 12',
    what: 'each alias up to the maximum is taken, and stands for its name',
    send: (version) =>
      [1, 64].map((alias) => {
        const props = Buffer.concat([hex('23'), uint16(alias)]);
        return Buffer.concat([publish(version, { props }), publish(version, { topic: '', id: 2, props })]);
      }),
    told: only5('puback 1, puback 2'),
  },
  {
    numbers: 'MQTT-4.6.0-2, 3',
    what: 'acknowledgements come in the order of the messages',
    send: (version) =>
      Buffer.concat([5, 3, 9, 1].map((id) => publish(version, { id, flags: id === 3 ? 4 : 2 }))),
    told: all('puback 5, pubrec 3, puback 9, puback 1'),
  },
  {
    numbers: 'MQTT-3.14.4-1',
    what: 'what follows a DISCONNECT is not handled',
    send: (version) => Buffer.concat([publish(version), hex('e000'), publish(version, { id: 2 })]),
    told: all('puback 1, closed'),
  },
];

statements(TABLE);
