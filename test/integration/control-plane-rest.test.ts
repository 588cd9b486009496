import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { controlPlaneForTests, executorForTests } from '../helpers/control-plane.ts';
import { giveUp } from '../helpers/messages.ts';
import { answerSchema, type OPENAPI } from '../helpers/openapi.ts';
import { encodedReport, report } from '../helpers/reports.ts';
import { waitUntil } from '../helpers/wait-until.ts';

interface Streamed {
  readonly query?: string;
  readonly params?: Record<string, string>;
  readonly body?: object;
  readonly happens?: () => Promise<unknown>;
}

/** A control plane as a script sees it: each answer is held against the document that it serves. */
async function scripted(t: TestContext) {
  const system = await controlPlaneForTests(t);
  await executorForTests(t, system);
  const url = `http://${system.server.httpAddress}`;
  const document: typeof OPENAPI = JSON.parse(await (await fetch(`${url}/openapi.json`)).text());
  const called = new Set<string>();
  /** @param path with the names of the document; `{…}` stands for what `params` has */
  async function call(line: string, params: Record<string, string> = {}, body?: object, query = '') {
    const [method = '', path = ''] = line.split(' ');
    called.add(line);
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name]!);
    const response = await fetch(url + filled + query, {
      method,
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isRight = answerSchema(document, path, method.toLowerCase(), response.status);
    const answers = text
      .trim()
      .split('\n')
      .map((one) => JSON.parse(one));
    for (const one of answers) assert.ok(isRight(one), JSON.stringify([line, one, isRight.errors]));
    return { status: response.status, answer: answers.at(-1), answers };
  }
  /** The answer of a call that succeeds. */
  async function ok(...args: Parameters<typeof call>) {
    const { status, answer } = await call(...args);
    assert.equal(status, 200, JSON.stringify([args, answer]));
    return answer;
  }
  /**
   * The messages of a stream that goes on, up to one that is the last for `isLast`; `happens` again and again until it is
   * there.
   */
  async function until(
    line: string,
    isLast: (message: Record<string, unknown>) => boolean,
    { query = '', params = {}, body, happens = async () => {} }: Streamed = {},
  ) {
    const [method = '', path = ''] = line.split(' ');
    called.add(line);
    const leaving = new AbortController();
    const happening = setInterval(() => void happens(), 200);
    const isRight = answerSchema(document, path, method.toLowerCase(), 200);
    try {
      const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name]!);
      const response = await fetch(url + filled + query, {
        method,
        signal: leaving.signal,
        ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      });
      const messages: ReturnType<typeof JSON.parse>[] = [];
      const reader = response.body!.getReader();
      for (let text = '', read = await reader.read(); !read.done; read = await reader.read()) {
        const lines = (text + Buffer.from(read.value)).split('\n');
        text = lines.pop()!;
        for (const line of lines) {
          const message = JSON.parse(line);
          const fits: boolean = isRight(message);
          assert.ok(fits, JSON.stringify([path, message, isRight.errors]));
          messages.push(message);
          if (isLast(message)) return messages;
        }
      }
      return assert.fail(`it ended: ${JSON.stringify(messages)}`);
    } finally {
      clearInterval(happening);
      leaving.abort();
    }
  }
  /** The first message of one. */
  const first = async (path: string, query: string, happens?: () => Promise<unknown>) =>
    (await until(`GET ${path}`, () => true, { query, ...(happens && { happens }) }))[0];
  return { ...system, document, called, call, ok, first, until };
}

const HTTP = { name: 'to http', enabled: true, topic_filters: ['sensors/#'] };
const ENDPOINT = { rest_endpoint_url: 'http://127.0.0.1:9999/in' };
const SECRET = { credentials: { basic: { username: 'me', password: 'hunter2' } } };

const ALL = '/api/v1/integrations';
const ONE = `${ALL}/{id}`;

/** The calls about who may call. */
async function access({ call, ok }: Pick<Awaited<ReturnType<typeof scripted>>, 'call' | 'ok'>) {
  const token = await ok('POST /api/v1/tokens', {}, { name: 'ci', role: 'ROLE_VIEWER' });
  assert.equal(token.token.name, 'ci');
  assert.equal((await ok('GET /api/v1/tokens')).tokens.length, 1);
  const { records } = await ok(
    'GET /api/v1/audit-records',
    {},
    undefined,
    '?filter.method=penstock.v1.TokenService',
  );
  assert.equal(records.length, 1);
  assert.deepEqual(await ok('DELETE /api/v1/tokens/{id}', { id: token.token.id }), {});

  const password = 'correct horse battery';
  await ok('POST /api/v1/users', {}, { name: 'a@example.com', role: 'ROLE_VIEWER', password });
  const user = { name: 'a%40example.com' };
  const one = await ok('GET /api/v1/users/{name}', user);
  assert.deepEqual([one.user.name, one.user.password], ['a@example.com', undefined]);
  const changed = await ok('PATCH /api/v1/users/{name}', user, { ...one.user, displayName: 'Alice' });
  assert.deepEqual([changed.user.displayName, changed.user.role], ['Alice', 'ROLE_VIEWER']);
  assert.ok(
    (await ok('GET /api/v1/users')).users.some(({ name }: { name: string }) => name === 'a@example.com'),
  );
  assert.deepEqual(await ok('DELETE /api/v1/users/{name}', user), {});

  await ok('GET /api/v1/login-methods');
  await ok('GET /api/v1/self');
  // Where everybody may do everything nobody logs in.
  const login = { password: { name: 'a@example.com', password } };
  assert.notEqual((await call('POST /api/v1/session', {}, login)).status, 200);
  await call('DELETE /api/v1/session');
  const change = { current_password: password, new_password: `${password}!` };
  assert.notEqual((await call('POST /api/v1/self:changePassword', {}, change)).status, 200);
}

test('everything that a control plane serves can be done by its paths, as its document says', async (t) => {
  const system = await scripted(t);
  const { call, ok, first, until, called, document } = system;

  const draft = { ...HTTP, http: { ...ENDPOINT, ...SECRET } };
  const tried = await ok(`POST ${ALL}`, {}, draft, '?validate_only=true');
  assert.equal(tried.integration.name, 'to http');
  const requestId = randomUUID();
  const made = await ok(`POST ${ALL}`, {}, draft, `?request_id=${requestId}`);
  const again = await ok(`POST ${ALL}`, {}, draft, `?request_id=${requestId}`);
  const { id } = made.integration;
  assert.equal(again.integration.id, id);
  assert.deepEqual(made.integration.setSecrets, ['http.credentials.basic.password']);
  assert.deepEqual(
    (await ok(`GET ${ONE}`, { id })).integration.http.restEndpointUrl,
    ENDPOINT.rest_endpoint_url,
  );
  const listed = await ok(
    `GET ${ALL}`,
    {},
    undefined,
    '?filter.types=INTEGRATION_TYPE_HTTP&filter.text=HTTP',
  );
  assert.deepEqual([listed.totalSize, listed.integrations[0].id], [1, id]);
  assert.deepEqual(await ok(`GET ${ALL}`, {}, undefined, '?filter.text=else'), {});

  // A change leaves alone what it does not name, the secret too.
  const changed = await ok(`PATCH ${ONE}`, { id }, { http: { read_timeout: '5s' } });
  const { http, setSecrets, generation } = changed.integration;
  assert.deepEqual(
    [http.readTimeout, http.restEndpointUrl, generation],
    ['5s', ENDPOINT.rest_endpoint_url, '2'],
  );
  assert.deepEqual(setSecrets, ['http.credentials.basic.password']);
  // An answer goes back with something changed in it, once.
  const answer = { ...changed.integration, description: 'new' };
  assert.equal((await ok(`PATCH ${ONE}`, { id }, answer)).integration.description, 'new');
  const late = await call(`PATCH ${ONE}`, { id }, { ...answer, description: 'late' });
  assert.deepEqual([late.status, late.answer.code], [409, 'aborted']);
  const cleared = await ok(`PATCH ${ONE}`, { id }, {}, '?update_mask=description');
  assert.equal(cleared.integration.description, undefined);
  assert.equal((await call(`PATCH ${ONE}`, { id }, {})).status, 400);

  const revisions = `${ONE.replace('id', 'integrationId')}/revisions`;
  assert.equal((await ok(`GET ${revisions}`, { integrationId: id })).revisions.length, 4);
  const second = await ok(`GET ${revisions}/{generation}`, { integrationId: id, generation: '2' });
  assert.equal(second.revision.integration.http.readTimeout, '5s');
  const none = await call(`GET ${revisions}/{generation}`, { integrationId: id, generation: 'x' });
  assert.deepEqual([none.status, none.answer.details[0].debug.fieldViolations[0].field], [400, 'generation']);

  assert.equal((await ok(`POST ${ONE}:disable`, { id })).integration.enabled, undefined);
  const restarted = await call(`POST ${ONE}:restart`, { id });
  assert.deepEqual([restarted.status, restarted.answer.code], [400, 'failed_precondition']);
  assert.equal((await ok(`POST ${ONE}:enable`, { id })).integration.enabled, true);
  assert.equal((await ok(`POST ${ONE}:restart`, { id })).integration.restarts, '1');
  assert.equal((await ok(`POST ${ALL}:check`, {}, { integration: { http: ENDPOINT } })).reachable, true);
  assert.equal((await ok(`POST ${ONE}:check`, { id })).reachable, true);

  const envelope = { topicName: 'sensors/1', payload: 'MQ==' };
  for (const [line, body] of [
    [`POST ${ALL}:try`, { integration: { http: ENDPOINT }, envelope }],
    [`POST ${ONE}:try`, { envelope }],
  ] as const) {
    assert.equal((await ok(line, { id }, body)).serviceId, 'executor');
  }

  const messages = `${ALL}/{integrationId}/messages`;
  await ok(`GET ${messages}`, { integrationId: id });
  const gone = await call(`GET ${messages}/{id}`, { integrationId: id, id: '0-7' });
  assert.equal(gone.status, 404);
  await until(`GET ${messages}:watch`, ({ live }) => live === true, { params: { integrationId: id } });

  await giveUp(system, id, [0, 3]);
  const deadLetters = `${ALL}/{integrationId}/dead-letters`;
  const kept = await ok(`GET ${deadLetters}`, { integrationId: id }, undefined, '?page_size=2');
  assert.deepEqual([kept.deadLetters.length, kept.totalSize], [2, '3']);
  const redriven = await ok(
    `POST ${deadLetters}:redrive`,
    { integrationId: id },
    { filter: { ids: ['0-0'] } },
  );
  assert.deepEqual([redriven.done, redriven.redriven], [true, '1']);
  assert.equal((await ok(`POST ${deadLetters}:purge`, { integrationId: id })).purged, '3');

  const begun = await ok('POST /api/v1/redrives', {}, { integration_id: id });
  const redrive = { id: begun.redrive.id };
  await waitUntil(
    'it is over',
    async () => (await ok('GET /api/v1/redrives/{id}', redrive)).redrive.state === 'REDRIVE_STATE_DONE',
  );
  const redrives = await ok('GET /api/v1/redrives', {}, undefined, `?integration_id=${id}`);
  assert.deepEqual(
    redrives.redrives.map((one: { id: string }) => one.id),
    [redrive.id],
  );
  assert.equal((await ok('POST /api/v1/redrives/{id}:cancel', redrive)).redrive.total, '0');

  const started = await ok('POST /api/v1/replays', {}, { integration_id: id });
  const replay = { id: started.replay.id };
  await waitUntil(
    'it is done',
    async () => (await ok('GET /api/v1/replays/{id}', replay)).replay.state !== 'REPLAY_STATE_RUNNING',
  );
  assert.equal((await ok('GET /api/v1/replays', {}, undefined, `?integration_id=${id}`)).replays.length, 1);
  assert.equal((await ok('POST /api/v1/replays/{id}:cancel', replay)).replay.id, replay.id);

  assert.deepEqual((await ok('GET /api/v1/nodes')).nodes[0].roles, ['NODE_ROLE_CONTROL_PLANE']);
  assert.equal((await ok('GET /api/v1/system')).system.serviceId, 'cp');
  const history = await ok('GET /api/v1/statistics', {}, undefined, `?integration_ids=${id}`);
  assert.equal(history.series[0].integrationId, id);
  assert.ok(Array.isArray((await ok('GET /api/v1/figures', {}, undefined, '?page_size=1')).figures));
  const watched = await first(`${ALL}:watch`, '?filter.text=to%20http');
  assert.equal(watched.integration.id, id);
  const everything = { integrations: {}, view: 'INTEGRATION_VIEW_BASIC', events: {}, nodes: true };
  const whole = await until('POST /api/v1/watch', ({ synced }) => synced === true, { body: everything });
  const [row] = whole.flatMap(({ integrations = [] }) => integrations);
  assert.deepEqual([row.integration.id, row.integration.type], [id, 'INTEGRATION_TYPE_HTTP']);
  assert.deepEqual([row.integration.http, row.integration.description], [undefined, undefined]);

  const { bus, topics } = system;
  const tell = () => bus.send(topics.uplink.name, { key: id, value: encodedReport(report(id)) });
  const told = await first('/api/v1/events:watch', `?filter.integration_id=${id}`, tell);
  assert.equal(told.event.lifecycle.action, 'LIFECYCLE_ACTION_STARTED');
  const query = '?filter.kinds=EVENT_KIND_LIFECYCLE&filter.kinds=EVENT_KIND_ERROR&page_size=1';
  const events = await ok('GET /api/v1/events', {}, undefined, query);
  const ofIt = await ok(`GET ${ALL}/{integrationId}/events`, { integrationId: id }, undefined, query);
  assert.deepEqual([events.events.length, ofIt.events[0].integrationId], [1, id]);

  assert.deepEqual(await ok(`DELETE ${ONE}`, { id }), {});
  assert.deepEqual((await call(`GET ${ONE}`, { id })).status, 404);
  assert.deepEqual((await call(`DELETE ${ONE}`, { id })).answer.code, 'not_found');

  await access(system);
  const all = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  assert.deepEqual(
    all.filter((one) => !called.has(one)),
    [],
  );
});
