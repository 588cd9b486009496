import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clone, create, equals, fromJson } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import fc from 'fast-check';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { setSecretPaths, withoutSecrets } from '../../src/contract/secrets.ts';
import { integrationsIn } from '../../src/yaml/read-integrations.ts';
import { integrationsYaml, integrationYaml } from '../../src/yaml/write-integration.ts';
import { anyJson } from '../helpers/any-json.ts';

const SERVER = [
  'status',
  'create_time',
  'update_time',
  'generation',
  'etag',
  'set_secrets',
  'restarts',
  'type',
];

/** What a text can hold of an integration. */
function told(integration: Integration): Integration {
  const copy = withoutSecrets(IntegrationSchema, integration);
  const message = reflect(IntegrationSchema, copy);
  for (const field of message.fields) if (SERVER.includes(field.name)) message.clear(field);
  return copy;
}

const only = (text: string) => {
  const [first, ...more] = integrationsIn(text);
  assert.ok(first);
  assert.deepEqual(more, []);
  return first;
};
const linesOf = (text: string) => {
  const said = [...integrationsIn(text)].flatMap(({ problems }) => problems);
  return said.map(({ line, column, description }) => `${line}:${column} ${description}`);
};

const nasty = fc.oneof(
  fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
  fc.string({
    unit: fc.constantFrom(' ', '\n', '\t', '\r', '#', ':', '-', '|', 'a', '"', "'", '\u2028', '\ufeff'),
  }),
  fc.constantFrom(
    'null',
    '~',
    'yes',
    '0o7',
    '1e3',
    '.inf',
    '<<',
    '---',
    '...',
    '!a',
    '&a',
    '*a',
    '%a',
    '12:30',
    '2001-01-01',
    ' \n',
  ),
);

test('an integration that is written and read again is the same', () => {
  fc.assert(
    fc.property(anyJson(IntegrationSchema), nasty, nasty, (json, text, other) => {
      const integration = fromJson(IntegrationSchema, json);
      Object.assign(integration, { description: text, metadata: { [text]: other, [other]: text } });
      const read = only(integrationYaml(integration));
      assert.deepEqual(read.problems, []);
      const { integration: again } = read;
      assert.ok(again);
      assert.ok(equals(IntegrationSchema, told(again), told(integration)), integrationYaml(integration));
      assert.equal(integrationYaml(told(again)), integrationYaml(told(integration)));
    }),
    { numRuns: 200 },
  );
});

test('a secret is never written, only that it is set, and a text says so again', () => {
  const stored = create(IntegrationSchema, {
    name: 'n',
    setSecrets: ['mqtt.static_client_ids["b: \\"c\\""].password'],
    configuration: {
      case: 'mqtt',
      value: {
        host: 'h',
        credentials: { credentials: { case: 'basic', value: { username: 'u', password: 'hunter2' } } },
        staticClientIds: [{ clientId: 'a', password: '${env:OF_A}' }, { clientId: 'b: "c"' }],
        tls: { privateKey: 'hunter3' },
      },
    },
  });
  const text = integrationYaml(stored);
  assert.doesNotMatch(text, /hunter/);
  assert.match(text, /^ {6}# mqtt\.credentials\.basic\.password: set$/m);
  assert.match(text, /password: \$\{env:OF_A\}/);
  const { integration } = only(text);
  assert.deepEqual(integration?.setSecrets.toSorted(), [
    'mqtt.credentials.basic.password',
    'mqtt.static_client_ids["b: \\"c\\""].password',
    'mqtt.tls.private_key',
  ]);
  assert.deepEqual(setSecretPaths(IntegrationSchema, integration), ['mqtt.static_client_ids["a"].password']);
});

test('what looks like a comment of a secret in a text is text, and a comment of something else is none', () => {
  const text = 'name: a\n# a.b: set\n# http.headers: set\ndescription: |\n  # http.tls.private_key: set\n';
  assert.deepEqual(only(text).integration?.setSecrets, []);
});

test('a map is written by its names, and the id, the name and what it is for come first', () => {
  const labels = { b: '1', a: '2' };
  const text = integrationYaml(create(IntegrationSchema, { name: 'x', labels, topicFilters: ['x'] }));
  assert.equal(text, 'name: x\nenabled: false\ntopic_filters:\n  - x\nlabels:\n  a: "2"\n  b: "1"\n');
});

test('all that is wrong is told at its place, with the nearest name', () => {
  const text = [
    'name: 5',
    'topic_filter: [a]',
    'http:',
    '  request_method: PST',
    '  connectTimeout: soon',
    'generation: 4',
    'labels: {a: 1, a: b}',
  ];
  assert.deepEqual(linesOf(text.join('\n')), ['7:16 this name is there twice: leave out one of both']);
  text[6] = 'labels: {a: 1}';
  assert.deepEqual(linesOf(text.join('\n')), [
    '1:7 must be text: put it into quotes',
    '2:1 there is no such field; did you mean topic_filters?',
    '4:19 there is no value "PST"; did you mean HTTP_METHOD_POST or HTTP_METHOD_PUT?',
    '5:19 must be a duration, such as "1.5s"',
    '7:13 must be text: put it into quotes',
    '6:1 the server sets this: leave it out',
  ]);
  assert.deepEqual(linesOf('name: a\n\ttopic_filters: []'), ['2:1 Tabs are not allowed as indentation']);
});

test('what a rule of the schema says is at the place of its field, or of what it is in', () => {
  const read = only('name: a\nhttp:\n  headers:\n    "a b": c\n  rest_endpoint_url: x\n');
  const at = (path: string) => {
    const { line, column } = read.at(path, 'wrong');
    return `${line}:${column}`;
  };
  assert.equal(at('integration.http.rest_endpoint_url'), '5:22');
  assert.equal(at('http.headers["a b"]'), '4:12');
  assert.equal(at('http.headers'), '3:3');
  assert.equal(at('http.connect_timeout'), '2:1');
  assert.equal(at('topic_filters'), '1:1');
});

test('several documents are several integrations, each with the lines of the whole text', () => {
  const names = ['a', 'b', 'c'];
  const written = integrationsYaml(names.map((name) => create(IntegrationSchema, { name })));
  assert.deepEqual(
    [...integrationsIn(written)].map(({ integration, place }) => [integration?.name, place.line]),
    [
      ['a', 1],
      ['b', 4],
      ['c', 7],
    ],
  );
  assert.deepEqual([...integrationsIn('---\n# nothing\n---\n')], []);
  assert.deepEqual(linesOf(`${written}---\nname: d\nnme: d\n`), [
    '11:1 there is no such field; did you mean name?',
  ]);
});

const HOSTILE: Readonly<Record<string, readonly [text: string, told: RegExp]>> = {
  aliases: [`a: &a [x]\nb: [${'*a,'.repeat(20_000)}]`, /an alias/],
  'an alias': ['name: &a x\ndescription: *a', /\*a is an alias/],
  'another version': ['%YAML 1.1\n---\nname: x\ndescription: 2001-01-01', /read as YAML 1\.2/],
  'a tag': ['name: !!str x', /tags are not read/],
  'a tag of its own': ['name: !<x> x', /Unresolved tag/],
  'a merge': ['<<: {name: x}', /no such field/],
  'deep lists': ['['.repeat(20_000), /nested too deeply/],
  'deep maps': ['{a: '.repeat(20_000), /nested too deeply|too many parts/],
  'a deep list in lines': ['- '.repeat(20_000), /nested too deeply/],
  'many parts': [`[${','.repeat(1_000_000)}]`, /too many parts/],
  'many documents': ['---\na: 1\n'.repeat(20_100), /too many documents|no such field/],
  'a long text': [`name: "${'\\x'.repeat(1_000_000)}"`, /too long/],
  'many names': [
    Array.from({ length: 12_000 }, (_, i) => `a${i}: 1`).join('\n'),
    /no such field|too many parts/,
  ],
  'the same name': ['name: 1\n'.repeat(5000), /there twice/],
  'a huge number': [`restarts: ${'9'.repeat(200_000)}`, /the server sets this|whole number/],
  prototypes: ['__proto__: {name: x}\nconstructor: 1', /no such field/],
};

test('a text that is made to be slow or large is told of, and bounded', () => {
  for (const [what, [text, expected]] of Object.entries(HOSTILE)) {
    const said: string[] = [];
    for (const { problems } of integrationsIn(text)) {
      said.push(...problems.map(({ description }) => description));
      assert.ok(problems.length <= 200, what);
    }
    assert.ok(
      said.some((one) => expected.test(one)),
      `${what}: ${said.slice(0, 3)}`,
    );
  }
});

test('any text is read or told of, and what it says is an integration', () => {
  const line = fc.constantFrom(
    'name: a',
    'http:',
    '  headers: {a: b}',
    '- x',
    '---',
    '"',
    '  - ',
    '[',
    '? :',
    'enabled: no',
    '# http.tls.private_key: set',
  );
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(line).map((lines) => lines.join('\n')),
    fc.json(),
  );
  fc.assert(
    fc.property(texts, (text) => {
      for (const { integration, problems } of integrationsIn(text)) {
        assert.equal(integration === undefined, problems.length > 0);
        if (integration)
          assert.ok(equals(IntegrationSchema, integration, clone(IntegrationSchema, integration)));
        for (const { from, to, line: at } of problems) assert.ok(from >= 0 && to >= from && at >= 1);
      }
    }),
    { numRuns: 500 },
  );
});
