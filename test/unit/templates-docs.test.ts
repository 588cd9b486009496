import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { PLACEHOLDERS } from '../../src/contract/placeholders.ts';
import { compileTemplate, type Escape, isJsonTemplate } from '../../src/contract/template.ts';
import { uuidOfName } from '../../src/contract/uuid.ts';

const DOCS = await readFile(new URL('../../docs/templates.md', import.meta.url), 'utf8');
const FAIL = { rule: 'fail' as const, value: '' };

const PAYLOAD = /-m '(.+)'$/m.exec(DOCS)?.[1] ?? '';
const SOURCE = {
  envelope: create(EnvelopeSchema, {
    topicName: 'plant/7/temp',
    clientId: 'c1',
    username: 'me',
    qos: 1,
    retain: true,
    userProperties: [{ key: 'region', value: 'eu' }],
    contentType: 'application/json',
    responseTopic: 'answers/c1',
    payload: Buffer.from(PAYLOAD),
    receivedTime: timestampFromMs(1_742_554_969_254),
    id: Buffer.from('0195b8e3f8a67d9c8a3be0c1f2d4a596', 'hex'),
  }),
  partition: 0,
  offset: 1234,
  topicIncarnation: 1,
  integrationId: '5f0c3ad2-8df0-4fc1-a8a5-1c3f8ab7cf55',
  integrationName: 'rooms',
  metadata: { site: 'north' },
  serviceId: 'ie-0',
  uuidOfName,
};

/** The cells of the rows under a heading, without the head of the table. */
function rowsUnder(heading: string): string[][] {
  const section = DOCS.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| '));
  return rows.slice(2).map((row) => row.slice(2, -2).split(' | '));
}

const codesIn = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? '');

test('docs/templates.md shows what each placeholder gives', () => {
  const rows = rowsUnder('Placeholders');
  for (const [placeholders, , example] of rows) {
    for (const placeholder of codesIn(placeholders)) {
      assert.equal(compileTemplate(placeholder, 'none', FAIL)(SOURCE), codesIn(example)[0], placeholder);
    }
  }
});

/** The kind of a placeholder: those of one kind differ in the name or the path that follows. */
const kindOf = (name: string) => name.replace(/^(payload|userProperties|metadata|topic)\b[.[].*$/s, '$1.…');

test('docs/templates.md names every placeholder', () => {
  const named = rowsUnder('Placeholders').flatMap(([placeholders]) => codesIn(placeholders));
  const kinds = named.filter((one) => one !== '$${').map((one) => kindOf(one.slice(2, -1)));
  assert.deepEqual([...new Set(kinds)].toSorted(), [...new Set(PLACEHOLDERS.map(kindOf))].toSorted());
});

const PLACES: Readonly<Record<string, Escape>> = {
  topic: 'topic',
  URL: 'url',
  header: 'header',
  text: 'none',
  'JSON, in a string': 'json',
  'JSON, elsewhere': 'json',
};

test('docs/templates.md shows how a value is written in each place', () => {
  const rows = rowsUnder('Where a value goes');
  assert.deepEqual(
    rows.map(([place]) => place),
    Object.keys(PLACES),
  );
  for (const [place = '', , template, gives] of rows) {
    const text = codesIn(template)[0] ?? '';
    assert.equal(compileTemplate(text, PLACES[place]!, FAIL)(SOURCE), codesIn(gives)[0], place);
    assert.equal(isJsonTemplate(text), PLACES[place] === 'json', place);
  }
});
