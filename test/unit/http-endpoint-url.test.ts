import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { checkPath, originOf, requestPath, urlProblem } from '../../src/contract/endpoint-url.ts';
import { uuidOfName } from '../../src/contract/uuid.ts';

const source = {
  envelope: create(EnvelopeSchema, {
    topicName: 'a/ü b',
    clientId: '../x?y#z&w',
    userProperties: [{ key: 'a#é', value: '1' }],
  }),
  partition: 2,
  offset: 3,
  topicIncarnation: 1,
  integrationId: 'id',
  integrationName: 'name',
  metadata: {},
  serviceId: 'e1',
  uuidOfName,
};

function pathOf(url: string): string {
  const path = requestPath(url, { rule: 'fail', value: '' });
  return typeof path === 'string' ? path : path(source);
}

test('a URL without placeholders is taken as the URL standard does', () => {
  assert.equal(pathOf('http://a'), '/');
  assert.equal(pathOf('http://a/b/../c d?e=%2F#f'), '/c%20d?e=%2F');
  assert.equal(originOf('https://a:8443/b?c#d').origin, 'https://a:8443');
});

test('values are encoded, so that none leads elsewhere; fixed text is encoded once', () => {
  assert.equal(pathOf('http://a/${clientId}/x'), '/..%2Fx%3Fy%23z%26w/x');
  assert.equal(pathOf('http://a/in?t=${topic}&q=1#${nothing}'), '/in?t=a%2F%C3%BC%20b&q=1');
  assert.equal(pathOf('http://a?t=${topic[0]}'), '/?t=a');
  assert.equal(
    pathOf('http://a/é "<>`{}|\\^/%2F/${topic[0]}'),
    '/%C3%A9%20%22%3C%3E%60%7B%7D%7C%5C%5E/%2F/a',
  );
  assert.equal(pathOf("http://a/!$&'()*+,;=:@~[]-._/${topic[0]}"), "/!$&'()*+,;=:@~[]-._/a");
  assert.equal(pathOf('http://a/${userProperties.a#é}#f'), '/1');
  assert.equal(pathOf('http://a/$${topic}/${topic[0]}'), '/${topic}/a');
  assert.equal(originOf('https://a:8443/${topic}').origin, 'https://a:8443');
  assert.equal(originOf('https://a:8443?${topic}').origin, 'https://a:8443');
});

test('a check goes to the part of the path, or the query parameter, before the first placeholder', () => {
  assert.equal(checkPath('http://a/in?x=1#f'), '/in?x=1');
  assert.equal(checkPath('http://a/in/${topic}/x/${topic}'), '/in/');
  assert.equal(checkPath('http://a/in/t-${topic}'), '/in/');
  assert.equal(checkPath('http://a/in?t=${topic}'), '/in');
  assert.equal(checkPath('http://a/in?q=é&t=${topic}&r=1'), '/in?q=%C3%A9');
  assert.equal(checkPath('http://a/${topic}'), '/');
  assert.equal(checkPath('http://a?${topic}'), '/');
});

test('what is wrong with a URL is said', () => {
  for (const url of [
    'http://a/',
    'http://a/${topic}',
    'http://a/..${topic[0]}',
    'http://a/b?c=../${topic}',
  ]) {
    assert.equal(urlProblem(url), undefined, url);
  }
  assert.match(urlProblem('http://[') ?? '', /is not a URL/);
  assert.match(urlProblem('http://a:99999/${topic}') ?? '', /is not a URL/);
  assert.match(urlProblem('http://a/${topics}') ?? '', /no placeholder \$\{topics\}/);
  assert.match(urlProblem('http://a/${topic') ?? '', /without a \}/);
  assert.match(urlProblem('http://a/b/../${topic}') ?? '', /has \. or \.\./);
  assert.match(urlProblem('http://a/${topic}/.') ?? '', /has \. or \.\./);
});
