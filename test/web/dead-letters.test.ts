import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import {
  DeadLetterFilterSchema,
  ListDeadLettersRequestSchema,
  ListedDeadLetterSchema,
} from '../../gen/penstock/v1/dead_letter_service_pb.ts';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { violationsOf } from '../../src/contract/validate.ts';
import { countText, groupsOf, groupText } from '../../web/src/pages/dead-letters/groups.ts';
import {
  CLASSES,
  filterOf,
  isNarrowed,
  toggledClass,
} from '../../web/src/pages/dead-letters/letter-filter.ts';
import { hexOf, prettyJson, shownAs, viewsOf } from '../../web/src/pages/dead-letters/payload.ts';
import { failureProperties, mqttProperties } from '../../web/src/pages/dead-letters/properties.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

test('the query of a URL is a filter that the server takes', () => {
  const query = new URLSearchParams(
    'class=timeout,too%20large&topic=a/%2B/%23&client=c1&from=2026-11-29T12:00:00Z&to=2026-11-29T14:00:00%2B01:00&redriven=yes',
  );
  const read = filterOf(query);
  assert.ok('filter' in read);
  const filter = create(DeadLetterFilterSchema, read.filter);
  assert.deepEqual(filter.failureClasses, [FailureClass.TIMEOUT, FailureClass.TOO_LARGE]);
  assert.deepEqual([filter.topicFilter, filter.clientId, filter.includeRedriven], ['a/+/#', 'c1', true]);
  assert.equal(timestampDate(filter.startTime!).toISOString(), '2026-11-29T12:00:00.000Z');
  assert.equal(timestampDate(filter.endTime!).toISOString(), '2026-11-29T13:00:00.000Z');
  const integrationId = '00000000-0000-4000-8000-000000000000';
  const request = create(ListDeadLettersRequestSchema, { integrationId, filter });
  assert.deepEqual(violationsOf(ListDeadLettersRequestSchema, request), []);
});

test('what makes no sense in a URL is a problem, never a filter that finds more', () => {
  for (const [query, problem] of [
    ['class=timeout,nothing', /no failure class “nothing”/],
    ['class=unspecified', /no failure class/],
    ['topic=a/%23/b', /no topic filter: # must be the last level/],
    ['from=yesterday', /“yesterday” is no time/],
    ['to=2026-11-29T12:00:00', /is no time/],
    ['from=2026-11-29T12:00:00Z&to=2026-11-29T12:00:00Z', /begins when it has ended/],
    ['redriven=no', /no answer to redriven/],
  ] as const) {
    const read = filterOf(new URLSearchParams(query));
    assert.ok('problem' in read, query);
    assert.match(read.problem, problem);
  }
});

test('every class can be chosen and left again', () => {
  assert.equal(CLASSES.length, 8);
  for (const one of CLASSES) {
    const chosen = toggledClass(new URLSearchParams('class=timeout'), one);
    if (one === FailureClass.TIMEOUT) {
      assert.equal(chosen, '');
      continue;
    }
    const read = filterOf(new URLSearchParams({ class: chosen }));
    assert.deepEqual('filter' in read && read.filter.failureClasses, [FailureClass.TIMEOUT, one]);
    assert.equal(toggledClass(new URLSearchParams({ class: chosen }), one), 'timeout');
  }
  assert.equal(isNarrowed(new URLSearchParams('redriven=yes&letter=0-1')), false);
  assert.equal(isNarrowed(new URLSearchParams('client=c1')), true);
});

test('groups are by class and reason, the largest first', () => {
  const letter = (id: string, failureClass: FailureClass, reason: string) =>
    create(ListedDeadLetterSchema, { id, deadLetter: { failureClass, reason } });
  const letters = [
    letter('0-3', FailureClass.TIMEOUT, 'late'),
    letter('0-2', FailureClass.REJECTED, '422'),
    letter('0-1', FailureClass.REJECTED, '422'),
    letter('0-0', FailureClass.EXPIRED, 'late'),
  ];
  assert.deepEqual(groupsOf(letters), [
    { text: 'rejected: 422', ids: ['0-2', '0-1'] },
    { text: 'timeout: late', ids: ['0-3'] },
    { text: 'expired: late', ids: ['0-0'] },
  ]);
  assert.equal(groupText(letters[3]!), 'expired: late');
  assert.deepEqual(
    [countText(1n, true), countText(1284n, false), countText(0n, true)],
    ['1 dead letter', 'at least 1,284 dead letters', '0 dead letters'],
  );
});

test('JSON gets its lines, and every digit and character of it stays', () => {
  const text =
    '{"id":12345678901234567890,"x":1.0,"x":1e2,"s":"a{\\"b\\\\\\",[:","none":{},"no":[ ],"l":[1,[2]],"t":true}';
  const pretty = prettyJson(text);
  assert.equal(
    pretty,
    [
      '{',
      '  "id": 12345678901234567890,',
      '  "x": 1.0,',
      '  "x": 1e2,',
      '  "s": "a{\\"b\\\\\\",[:",',
      '  "none": {},',
      '  "no": [],',
      '  "l": [',
      '    1,',
      '    [',
      '      2',
      '    ]',
      '  ],',
      '  "t": true',
      '}',
    ].join('\n'),
  );
  assert.deepEqual(JSON.parse(pretty), JSON.parse(text));
});

test('a payload is shown as what it is', () => {
  assert.deepEqual(viewsOf(bytes('{"a":1}')), ['JSON', 'text', 'hex']);
  assert.deepEqual(viewsOf(bytes('{"a":1')), ['text', 'hex']);
  assert.deepEqual(viewsOf(Uint8Array.of(0xff, 0)), ['hex']);
  assert.equal(
    hexOf(bytes('abcdefghijklmnopq')),
    [
      '00000000  61 62 63 64 65 66 67 68 69 6a 6b 6c 6d 6e 6f 70  abcdefghijklmnop',
      `00000010  71${' '.repeat(47)}q`,
    ].join('\n'),
  );
  assert.deepEqual(shownAs(bytes('a😀b'), 'text', 2), { text: 'a', isCut: true });
  assert.deepEqual(shownAs(bytes('a😀b'), 'text', 4), { text: 'a😀b', isCut: false });
  assert.deepEqual(shownAs(Uint8Array.of(1, 2), 'hex', 1), { text: hexOf(Uint8Array.of(1)), isCut: true });
});

test('JSON that is nested without end makes no page of gigabytes', () => {
  const depth = 500_000;
  const { text, isCut } = shownAs(bytes('['.repeat(depth) + ']'.repeat(depth)), 'JSON', 4096);
  assert.deepEqual([text.length, isCut], [4096, true]);
});

test('properties are those that were set, in the words of MQTT', () => {
  const letter = create(ListedDeadLetterSchema, {
    id: '0-7',
    deadLetter: { attempts: 3, serviceId: 'e1', generation: 2n, partition: 1, offset: 40n },
    envelope: {
      topicName: 'sensors/1',
      qos: 1,
      payloadFormatIndicator: 0,
      messageExpiryInterval: 0,
      correlationData: Uint8Array.of(0, 255),
      userProperties: [
        { key: 'a', value: '1' },
        { key: 'a', value: '2' },
      ],
      id: Uint8Array.from({ length: 16 }, (_, i) => i),
    },
  });
  const shown = (lines: readonly { name: string; value: unknown }[]) =>
    lines.map(({ name, value }) => `${name}: ${value}`);
  assert.deepEqual(shown(mqttProperties(letter.envelope!)), [
    'topic name: sensors/1',
    'QoS: 1',
    'correlation data: 0x00ff',
    'message expiry: 0 s',
    'payload format: bytes',
    'user property a: 1',
    'user property a: 2',
    'message id: 00010203-0405-0607-0809-0a0b0c0d0e0f',
  ]);
  assert.deepEqual(shown(failureProperties(letter)), [
    'attempts: 3',
    'executor: e1',
    'generation: 2',
    'was at: partition 1, offset 40 of the message topic',
    'dead letter: 0-7',
  ]);
});
