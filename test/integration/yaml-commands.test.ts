import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { clone, create, equals } from '@bufbuild/protobuf';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { runApply } from '../../src/cli/apply.ts';
import { integrationYaml } from '../../src/yaml/write-integration.ts';
import { controlPlaneForTests, executorForTests, HTTP, HTTP_WITH_SECRET } from '../helpers/control-plane.ts';
import { onEnd } from '../helpers/on-end.ts';
import { PenstockRun } from '../helpers/penstock.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

/** A control plane, and commands that call it. */
async function world(t: TestContext) {
  const system = await controlPlaneForTests(t);
  const executor = await executorForTests(t, system);
  const file = join(await temporaryDirectory(t), 'all.yaml');
  const run = async (args: readonly string[], input?: string) => {
    const command = new PenstockRun([...args], { PENSTOCK_ADDRESS: system.server.grpcAddress }, input);
    onEnd(t, () => command.stop('SIGKILL'));
    const code = await command.end(60_000);
    return { code, errors: command.errors, output: command.output };
  };
  /** What it prints when all goes well. */
  const does = async (...args: readonly string[]) => {
    const { code, output, errors } = await run(args);
    assert.equal(code, 0, output);
    assert.equal(errors, '');
    return output;
  };
  const apply = async (text: string, ...more: readonly string[]) => {
    await writeFile(file, text);
    return await run(['apply', '-f', file, ...more]);
  };
  const stored = async () => (await system.client.listIntegrations({})).integrations;
  return { ...system, executor, file, run, does, apply, stored };
}

/** Without what the server gave it. */
function own(integration: Integration): Integration {
  const copy = clone(IntegrationSchema, integration);
  for (const field of ['status', 'createTime', 'updateTime'] as const) delete copy[field];
  return Object.assign(copy, { id: '', etag: '', generation: 0n, restarts: 0n });
}

test('what is exported is applied again: to what is there it changes nothing, and what was deleted is equal to what it was', async (t) => {
  const { client, does, apply, stored } = await world(t);
  const labels = { team: 'energy' };
  const delivery = { retries: 3 };
  await client.createIntegration({ integration: { ...HTTP, name: 'a', labels, delivery } });
  await client.createIntegration({ integration: { ...HTTP, name: 'b', enabled: false } });
  const before = await stored();
  const text = await does('export', '--all');
  assert.equal(text, before.map(integrationYaml).join('---\n'));
  assert.equal(await does('export', before[1]!.id), integrationYaml(before[1]!));
  const [a, b] = before.map(({ id }) => id);
  assert.equal(
    (await apply(text)).output,
    `same    "a" (${a})\nsame    "b" (${b})\n0 of 0 done\n`,
    'nothing is different',
  );
  for (const { id } of before) await client.deleteIntegration({ id });
  const again = await apply(text);
  assert.equal(again.code, 0, again.output);
  assert.match(again.output, /^create {2}"a"\ncreate {2}"b"\n/);
  assert.match(again.output, /^created "b" \(.{36}\)$/m);
  const after = (await stored()).toSorted((one, other) => (one.name < other.name ? -1 : 1));
  assert.equal(after.length, 2);
  for (const [i, one] of after.entries()) assert.ok(equals(IntegrationSchema, own(one), own(before[i]!)));
  assert.match((await apply(text)).output, /^same {4}"a".*\nsame {4}"b"/, 'by their names');
});

test('only what differs is changed, a stored secret is kept, and a reference is sent as it is', async (t) => {
  const { client, does, apply, stored, executor } = await world(t);
  const { integration: made } = await client.createIntegration({ integration: HTTP_WITH_SECRET });
  const text = await does('export', made!.id);
  assert.doesNotMatch(text, /hunter2/);
  const dry = await apply(text.replace('sensors/#', 'alarms/#'), '--dry-run');
  assert.deepEqual(
    [dry.code, dry.output],
    [0, `change  "to http" (${made!.id}): topic_filters\nnothing was done (--dry-run)\n`],
  );
  assert.deepEqual((await stored())[0]?.topicFilters, ['sensors/#']);
  const changed = await apply(text.replace('sensors/#', 'alarms/#'));
  assert.match(changed.output, /^changed "to http"/m);
  const [now] = await stored();
  assert.deepEqual([now?.topicFilters, now?.setSecrets], [['alarms/#'], made!.setSecrets]);
  const referring = text
    .replace('sensors/#', 'alarms/#')
    .replace('# http.credentials.basic.password: set', 'password: ${env:INTEGRATION_SECRET_X}');
  const secret = await apply(referring);
  assert.match(secret.output, /: http\.credentials\.basic\.password\nchanged/);
  const seen = JSON.stringify(executor.asked, (_, value) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  assert.match(seen, /\$\{env:INTEGRATION_SECRET_X\}/);
  const repeated = await apply(referring);
  assert.match(
    repeated.output,
    /^same {4}"to http".*\n1 of 1 done$/m,
    'the server knows that it is the same secret',
  );
});

test('what is wrong is told at its line, and nothing is done', async (t) => {
  const { client, apply, stored, run, file } = await world(t);
  for (const name of ['twin', 'twin']) await client.createIntegration({ integration: { ...HTTP, name } });
  const fine = integrationYaml((await stored())[0]!)
    .replace(/^id:.*\n/, '')
    .replace('name: twin', 'name: fine');
  const wrong = `${fine}---\nname: x\ntopic_filter: [a]\n`;
  const unread = await apply(wrong);
  const lines = wrong.split('\n').length;
  assert.equal(unread.code, 1);
  assert.equal(
    unread.errors,
    `penstock: nothing was done:\n  ${file}:${lines - 1}:1: topic_filter: there is no such field; did you mean topic_filters?\n`,
  );
  const rules = await apply(
    `${fine}---\nname: twin\n${fine.replace(/^name.*\n/, '')}---\nname: y\ntopic_filters: [a/b#]\n`,
  );
  assert.equal(rules.code, 1);
  assert.match(rules.errors, /name: 2 integrations have this name: say by its id which one is meant/);
  assert.match(rules.errors, /topic_filters\[0\]: must be an MQTT topic filter/);
  assert.match(rules.errors, /configuration/);
  const lost = await apply(
    `${fine}  credentials:\n    basic:\n      username: me\n      # http.credentials.basic.password: set\n`,
  );
  assert.match(lost.errors, /http\.credentials\.basic\.password must be given/);
  assert.match((await apply('# nothing\n')).errors, /there is no integration in/);
  assert.match((await run(['apply'])).errors, /name a file with -f FILE/);
  assert.match((await run(['export'])).errors, /name the ids of integrations, or give --all/);
  assert.equal((await stored()).length, 2);
});

test('what the server refuses is told at its line, and the rest is done', async (t) => {
  const { executor, apply, stored } = await world(t);
  executor.answer = ({ integration }) => ({
    violations:
      integration?.name === 'bad' ? [{ field: 'http.rest_endpoint_url', description: 'not for us' }] : [],
  });
  const of = (name: string) =>
    `name: ${name}\nenabled: true\ntopic_filters: [a]\nhttp:\n  rest_endpoint_url: http://127.0.0.1:9999/in\n`;
  const { code, errors, output } = await apply(['good', 'bad'].map(of).join('---\n'));
  assert.equal(code, 1);
  assert.match(output, /^created "good"/m);
  assert.match(
    errors,
    /^penstock: 1 of 2 done:\n"bad": INVALID_ARGUMENT\n {2}.*all\.yaml:11:22: .*not for us$/m,
  );
  assert.deepEqual(
    (await stored()).map(({ name }) => name),
    ['good'],
  );
});

test('what is applied is applied to the end, also when nobody reads what is printed any more', async (t) => {
  const { stored, file, server } = await world(t);
  const texts = ['a', 'b', 'c'].map((name) =>
    integrationYaml(create(IntegrationSchema, { ...HTTP, name })).replace(/^id:.*\n/, ''),
  );
  await writeFile(file, texts.join('---\n'));
  const out = new Writable({
    write: (_chunk, _encoding, written) =>
      written(Object.assign(new Error('nobody reads'), { code: 'EPIPE' })),
  });
  await runApply(['-f', file, '--address', server.grpcAddress], { out, input: Readable.from([]) });
  assert.deepEqual((await stored()).map(({ name }) => name).toSorted(), ['a', 'b', 'c']);
});
