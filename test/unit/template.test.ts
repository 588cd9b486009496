import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { MissingValue, TemplatePolicySchema } from '../../gen/penstock/v1/template_pb.ts';
import { UnencodableError } from '../../src/contract/body.ts';
import {
  compileTemplate,
  type Escape,
  type MissingRule,
  missingRule,
  type TemplateSource,
  templateProblem,
} from '../../src/contract/template.ts';
import { uuidOfName } from '../../src/contract/uuid.ts';
import { topicNameProblem } from '../../src/topic-filter/topic-filter.ts';

const FAIL: MissingRule = { rule: 'fail', value: '' };
const EMPTY: MissingRule = { rule: 'empty', value: '' };
const BY_DEFAULT = (value: string): MissingRule => ({ rule: 'default', value });
const ESCAPES: readonly Escape[] = ['none', 'url', 'json', 'header', 'topic'];

type EnvelopeInit = Omit<MessageInitShape<typeof EnvelopeSchema>, 'payload'> & {
  readonly payload?: string | Uint8Array;
};

function sourceOf({ payload = '', ...envelope }: EnvelopeInit = {}): TemplateSource {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  return {
    envelope: create(EnvelopeSchema, {
      topicName: 'plant/hall 1/temp',
      ...(envelope as object),
      payload: bytes,
    }),
    partition: 2,
    offset: 1234,
    topicIncarnation: 1,
    integrationId: '5f0c3ad2-8df0-4fc1-a8a5-1c3f8ab7cf55',
    integrationName: 'to "all"',
    metadata: { site: 'north' },
    serviceId: 'ie-0',
    uuidOfName,
  };
}

const render = (text: string, envelope?: EnvelopeInit, context: Escape = 'none', missing = FAIL) =>
  compileTemplate(text, context, missing)(sourceOf(envelope));

const MESSAGE: EnvelopeInit = {
  clientId: 'c1',
  username: 'me',
  qos: 1,
  retain: true,
  receivedTime: timestampFromMs(1_742_554_969_254),
  id: Buffer.from('0195b8e3f8a67d9c8a3be0c1f2d4a596', 'hex'),
  contentType: 'application/json',
  responseTopic: 'answers/c1',
  userProperties: [
    { key: 'region', value: 'eu' },
    { key: 'a.b', value: 'dotted' },
    { key: 'region', value: 'us' },
  ],
  payload: '{"t": 21.50, "deep": {"list": [1, {"x": "y"}]}, "a.b": true, "null": null, "text": "a\\nb"}',
};

const VALUES: Readonly<Record<string, string>> = {
  '${topic}': 'plant/hall 1/temp',
  '${topicName}': 'plant/hall 1/temp',
  '${topic[0]}-${topicName[2]}': 'plant-temp',
  '${clientId}${clientid}': 'c1c1',
  '${username}': 'me',
  '${qos} ${retain} ${flags.retain}': '1 true true',
  '${ts}': '1742554969254',
  '${contentType} ${responseTopic}': 'application/json answers/c1',
  '${userProperties.region} ${userProperties.a.b}': 'us dotted',
  '${metadata.site} ${integrationName} ${serviceId}': 'north to "all" ie-0',
  '${partition}/${offset}': '2/1234',
  '${id}': '0195b8e3-f8a6-7d9c-8a3b-e0c1f2d4a596',
  '${messageId}': '5f0c3ad2-8df0-4fc1-a8a5-1c3f8ab7cf55-2-1234',
  '${integrationId}': '5f0c3ad2-8df0-4fc1-a8a5-1c3f8ab7cf55',
  '${payload.t} ${payload.deep.list[0]} ${payload.text}': '21.50 1 a\nb',
  '${payload.deep.list} ${payload["deep"].list[1].x}': '[1, {"x": "y"}] y',
  '${payload[\'a.b\']}${payload["a.b"]}': 'truetrue',
  '${payload}': MESSAGE.payload as string,
  plain: 'plain',
  '': '',
  '$${topic} $$ {topic} $topic}': '${topic} $$ {topic} $topic}',
  '$$${topic} ${topic}$${': '$${topic} plant/hall 1/temp${',
};

for (const [text, wanted] of Object.entries(VALUES)) {
  test(`${JSON.stringify(text)} gives ${JSON.stringify(wanted)}`, () => {
    assert.equal(templateProblem(text), undefined);
    assert.equal(render(text, MESSAGE), wanted);
  });
}

test('a topic that was made anew gives its messages other names, also to those without an id', () => {
  const of = (text: string, topicIncarnation: number) =>
    compileTemplate(text, 'none', FAIL)({ ...sourceOf(), topicIncarnation });
  const integration = '5f0c3ad2-8df0-4fc1-a8a5-1c3f8ab7cf55';
  assert.equal(of('${messageId}', 1), `${integration}-2-1234`);
  assert.equal(of('${messageId}', 2), `${integration}-2.2-1234`);
  assert.match(of('${id}', 1), /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(of('${id}', 1), of('${id}', 1));
  assert.notEqual(of('${id}', 1), of('${id}', 2));
});

const MISSING = [
  'username',
  'contentType',
  'responseTopic',
  'ts',
  'topic[3]',
  'userProperties.region',
  'metadata.floor',
  'payload.a',
  'payload[0]',
];

test('one rule says what a placeholder without a value gives, in each place', () => {
  for (const name of MISSING) {
    const text = `x\${${name}}y`;
    assert.throws(() => render(text), new UnencodableError(`\${${name}} has no value in this message`));
    assert.equal(render(text, {}, 'none', EMPTY), 'xy', name);
    assert.equal(render(text, {}, 'none', BY_DEFAULT('a/b')), 'xa/by', name);
    assert.equal(render(text, {}, 'url', BY_DEFAULT('a/b')), 'xa%2Fby', name);
    assert.equal(render(`"${text}"`, {}, 'json', BY_DEFAULT('"')), '"x\\"y"', name);
  }
});

test('the rule is that of the integration, and fail without one', () => {
  const rule = (init?: MessageInitShape<typeof TemplatePolicySchema>) =>
    missingRule(init && create(TemplatePolicySchema, init));
  for (const unset of [undefined, {}, { missing: MissingValue.FAIL }, { missing: 99 as 0 }]) {
    assert.deepEqual(rule(unset), FAIL);
  }
  assert.deepEqual(rule({ missing: MissingValue.EMPTY }), EMPTY);
  assert.deepEqual(rule({ missing: MissingValue.DEFAULT, defaultValue: 'x' }), BY_DEFAULT('x'));
});

test('null in a payload is no value, and neither is what no payload has', () => {
  for (const name of [
    'payload.null',
    'payload.t.x',
    'payload.t[0]',
    'payload.deep[0]',
    'payload.deep.list[2]',
  ]) {
    assert.equal(render(`\${${name}}`, MESSAGE, 'none', BY_DEFAULT('-')), '-', name);
  }
  for (const payload of ['', 'text', '{"t":', '[', Buffer.from([0xff])]) {
    assert.equal(render('${payload.t}', { payload }, 'none', BY_DEFAULT('-')), '-');
  }
});

test('an empty text is a value', () => {
  const empty = {
    clientId: '',
    username: '',
    userProperties: [{ key: 'a', value: '' }],
    payload: '{"a":""}',
  };
  assert.equal(render('<${clientId}${username}${userProperties.a}${payload.a}>', empty), '<>');
});

test('what every object inherits is no value', () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'constructor.name', '__proto__.constructor']) {
    for (const map of ['payload', 'metadata', 'userProperties']) {
      assert.equal(render(`\${${map}.${name}}`, { payload: '{"a":1}' }, 'none', EMPTY), '', `${map}.${name}`);
    }
    assert.match(templateProblem(`\${${name}}`) ?? '', /there is no placeholder/);
  }
  assert.equal(render('${payload.__proto__.x}', { payload: '{"__proto__":{"x":7}}' }), '7');
});

test('a payload that is not text has no text, whatever the rule', () => {
  for (const missing of [FAIL, EMPTY, BY_DEFAULT('x')]) {
    assert.throws(
      () => render('${payload}', { payload: Buffer.from([0xff]) }, 'none', missing),
      UnencodableError,
    );
  }
  assert.equal(render('${payload}', { payload: '\ufefftext' }), '\ufefftext');
});

const PROBLEMS: Readonly<Record<string, RegExp>> = {
  '${topc}': /no placeholder \$\{topc\}: use topic, .*payload/,
  '${}': /no placeholder \$\{\}/,
  '${ topic }': /no placeholder/,
  '${topic[a]}': /no placeholder/,
  '${topic[-1]}': /no placeholder/,
  '${payload.}': /no placeholder/,
  '${payloads}': /no placeholder/,
  '${payload.a[}': /no placeholder/,
  '${payload..a}': /no placeholder/,
  '${userProperties}': /no placeholder/,
  '${metadata.}': /no placeholder/,
  'a ${topic': /without a }/,
  '$${topic} ${': /without a }/,
};

for (const [text, wanted] of Object.entries(PROBLEMS)) {
  test(`${text} is no template`, () => {
    assert.match(templateProblem(text) ?? '', wanted);
    assert.throws(() => compileTemplate(text, 'none', FAIL), wanted);
  });
}

test('whatever the text: what has no problem compiles, and what has one does not', () => {
  const pieces = fc.constantFrom(
    '$',
    '{',
    '}',
    '${',
    '$${',
    'topic',
    'payload',
    '.',
    '[0]',
    '["x"]',
    '"',
    "'",
    'x',
    '\\',
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), fc.constantFrom(...ESCAPES), (some, context) => {
      const text = some.join('');
      const problem = templateProblem(text);
      if (problem === undefined) compileTemplate(text, context, FAIL);
      else assert.throws(() => compileTemplate(text, context, FAIL), { message: `template: ${problem}` });
    }),
    { numRuns: 2000 },
  );
});

test('megabytes that open placeholders and close none are judged as well', () => {
  const text = '${a'.repeat(1_000_000); // looked through once for each, they would take hours
  assert.match(templateProblem(text) ?? '', /^has \$\{ without a \}/);
  assert.equal(templateProblem('$${a'.repeat(1_000_000)), undefined);
});

test('$${ is a literal ${ wherever it stands', () => {
  for (const [text, wanted] of [
    ['$$${topic', '$${topic'],
    ['$${${topic}', '${a/b'],
    ['${topic}$${topic}', 'a/b${topic}'],
    ['$${$${', '${${'],
    ['${topic}${topic}$', 'a/ba/b$'],
  ] as const) {
    const source = sourceOf({ topicName: 'a/b' });
    assert.equal(compileTemplate(text, 'none', FAIL)(source), wanted, text);
  }
});

// Without names that end with a backslash: see json-path.test.ts.
const jsonValue = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('\\\\"'));
const anyText = fc.string({ unit: 'binary', maxLength: 20 });

test('in a URL a value is one component, and cannot lead elsewhere', () => {
  fc.assert(
    fc.property(fc.oneof(anyText, fc.constantFrom('.', '..', '/', '../..', '%2e', '?', '#')), (clientId) => {
      const write = compileTemplate('http://h/a/${clientId}/b?c=${clientId}', 'url', FAIL);
      if (clientId === '.' || clientId === '..') {
        assert.throws(() => write(sourceOf({ clientId })), UnencodableError);
        return;
      }
      const url = new URL(write(sourceOf({ clientId })));
      const [, a, value, b, ...more] = url.pathname.split('/');
      assert.deepEqual([a, b, more, url.hash, url.host], ['a', 'b', [], '', 'h']);
      assert.equal(decodeURIComponent(value ?? ''), clientId);
      assert.equal(url.searchParams.get('c'), clientId);
    }),
  );
  const half = { payload: '{"a":"\\ud800"}' };
  for (const context of ['none', 'url', 'topic'] as const) {
    assert.throws(() => render('${payload.a}', half, context), UnencodableError, context);
  }
});

test('in JSON a value is the content of a string, or a value of its own outside of one', () => {
  fc.assert(
    fc.property(anyText, jsonValue, (clientId, value) => {
      const text =
        '{"\\"a": "<${clientId}>", "b": ${clientId}, "v": ${payload.v}, "w": "${payload.v}", "p": ${payload}}';
      const payload = JSON.stringify({ v: value });
      const result = JSON.parse(render(text, { clientId, payload }, 'json', BY_DEFAULT('none')));
      const asText = typeof value === 'string' ? value : value === null ? 'none' : JSON.stringify(value);
      const parsed = JSON.parse(payload);
      assert.deepEqual(result, { '"a': `<${clientId}>`, b: clientId, v: parsed.v, w: asText, p: parsed });
    }),
  );
  assert.equal(
    render('[${qos}, ${retain}, ${username}, ${payload}]', { payload: 'no json' }, 'json', EMPTY),
    '[0, false, null, "no json"]',
  );
  assert.equal(render('[${username}]', {}, 'json', BY_DEFAULT('0.50')), '[0.50]');
  assert.equal(render('[${username}]', {}, 'json', BY_DEFAULT('no one')), '["no one"]');
  assert.equal(render('["\\\\", ${clientId}]', { clientId: 'c' }, 'json'), '["\\\\", "c"]');
});

test('a header and a topic take what they may hold and nothing else', () => {
  fc.assert(
    fc.property(
      fc.oneof(anyText, fc.constantFrom('a\r\nb: c', 'grüße', '€', 'a/+', '#', '\0', '')),
      (clientId) => {
        const source = sourceOf({ clientId });
        const header = () => compileTemplate('x${clientId}', 'header', FAIL)(source);
        const isHeader = [...clientId].every((char) => char === '\t' || /[ -~\u0080-\u00ff]/.test(char));
        if (isHeader) assert.equal(header(), `x${clientId}`);
        else assert.throws(header, UnencodableError);
        const topic = () => compileTemplate('${clientId}', 'topic', FAIL)(source);
        if (topicNameProblem(clientId) === undefined) assert.equal(topic(), clientId);
        else assert.throws(topic, UnencodableError);
      },
    ),
    { numRuns: 500 },
  );
  assert.throws(() => render('a'.repeat(65_536), {}, 'topic'), UnencodableError);
});

test('a reason never holds a value', () => {
  const secret = { clientId: 'hunter2\n', payload: '{"a":"hunter2\\ud800"}' };
  for (const [text, context] of [
    ['${clientId}+', 'topic'],
    ['${clientId}', 'header'],
    ['${payload.a}', 'url'],
    ['/../hunter2', 'url'],
  ] as const) {
    assert.throws(
      () => render(text, secret, context),
      (error: Error) => !error.message.includes('hunter2'),
    );
  }
});

test('a payload is parsed once at most, and only when a template asks for it', (t) => {
  const parse = t.mock.method(JSON, 'parse');
  const templates = ['${topic}', '${payload}', '${payload.a}', '${payload.b}', '${payload.c[0]}'].map(
    (text) => compileTemplate(text, 'none', EMPTY),
  );
  const source = sourceOf({ payload: '{"a":1,"b":2}' });
  const parsings = () =>
    parse.mock.calls.filter(({ arguments: [text] }) => String(text).startsWith('{')).length;
  for (const template of templates.slice(0, 2)) template(source);
  assert.equal(parsings(), 0);
  for (const template of templates) template({ ...source });
  for (const template of templates) template({ ...source });
  assert.equal(parsings(), 1);
});
