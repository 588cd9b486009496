import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Code, connect } from '../../src/client/node.ts';
import { dataDirectory, type PenstockRun, startDevForTests } from '../helpers/penstock.ts';
import { installPrograms } from '../helpers/programs.ts';
import { pythonWheels } from '../helpers/python-wheels.ts';
import { receiver } from '../helpers/receiver.ts';
import { blocksOf, ROOT, shell, shows } from '../helpers/shell-blocks.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

/** What a checkout has that the examples of docs/clients.md are made from. */
const SOURCES = ['src', 'gen', 'proto', 'third_party', 'examples', 'scripts', 'LICENSE'];
const SETUPS = ['package.json', 'tsconfig.json', 'tsconfig.client.json', 'buf.yaml'];

/** Without it no call is answered. */
const TOKEN = 'a-token-that-every-example-shows-with-each-call';

/** A checkout of the test's own, in which examples may leave what they make. */
async function checkout(t: TestContext): Promise<string> {
  const directory = join(await temporaryDirectory(t), 'penstock');
  await mkdir(directory);
  for (const name of [...SOURCES, ...SETUPS]) {
    await cp(join(ROOT, name), join(directory, name), { recursive: true });
  }
  await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  return directory;
}

/** Runs a command in `cwd`; answers what it printed. */
async function run(command: string, cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  const running = shell(command, env, cwd);
  const [code] = await once(running.child, 'close');
  assert.equal(code, 0, `${command}\n${running.output}`);
  return running.output;
}

/** What the examples find in their environment, and an endpoint of their own. */
async function world(t: TestContext, penstock: PenstockRun) {
  const endpoint = await receiver(t);
  const env = {
    PENSTOCK_ADDRESS: penstock.address('gRPC'),
    PENSTOCK_URL: penstock.address('HTTP'),
    PENSTOCK_TOKEN: TOKEN,
    ENDPOINT: endpoint.url,
    npm_config_prefer_offline: 'true',
  };
  /** The topic names and payloads that arrived. */
  const arrived = () => endpoint.bodies().map(({ topicName, payload }) => [topicName, payload]);
  return { env, arrived };
}

/** Runs the blocks of docs/clients.md of one kind, word by word; each `text` is in what the block before it printed. */
async function runBlocks(kind: string, cwd: string, env: NodeJS.ProcessEnv): Promise<void> {
  let printed = '';
  let compared = 0;
  for (const block of await blocksOf('docs/clients.md')) {
    if (block.kind !== kind) continue;
    if (block.language === 'sh') printed = await run(block.text, cwd, env);
    else {
      assert.ok(shows(printed, block.text), `expected\n${block.text}but it says\n${printed}`);
      compared++;
    }
  }
  assert.ok(compared > 0, `docs/clients.md shows nothing that ${kind} prints`);
}

/** For a bundler, without the types of Node.js. */
const PAGE = `import { connect, Code, type Node } from 'penstock/client/web';
const { cluster } = connect({ url: location.origin });
export const nodes = async (): Promise<readonly Node[]> => (await cluster.listNodes({})).nodes;
export const code: Code = Code.ABORTED;
// @ts-expect-error there is no such field
void cluster.listNodes({}).then(({ nodes }) => nodes[0]?.noSuchField);
`;
const PAYLOAD = { temperature: 25 };

test('the clients of docs/clients.md tell the whole story', async (t) => {
  installPrograms(() => {});
  const penstock = await startDevForTests(t, await dataDirectory(t), 'dev', {
    PENSTOCK_STATISTICS_INTERVAL: '500',
    PENSTOCK_BOOTSTRAP_TOKEN: TOKEN,
  });
  using stranger = connect({ address: penstock.address('gRPC'), token: `not-${TOKEN}` });
  await assert.rejects(stranger.integrations.listIntegrations({}), { code: Code.UNAUTHENTICATED });

  await t.test('TypeScript and JavaScript, with the client from its tarball', async (part) => {
    const cwd = await checkout(part);
    const { env, arrived } = await world(part, penstock);
    await runBlocks('typescript', cwd, env);
    assert.deepEqual(arrived(), [
      ['typescript/1', PAYLOAD],
      ['web/1', PAYLOAD],
    ]);
    const project = join(cwd, 'dist/typescript');
    await symlink(join(ROOT, 'node_modules/@types'), join(project, 'node_modules/@types'));
    await writeFile(join(project, 'page.ts'), PAGE);
    const example = (await blocksOf('README.md')).find(({ language }) => language === 'ts');
    await writeFile(join(project, 'readme.mts'), example!.text);
    await run('node readme.mts', project, env);
    const tsc = `${join(ROOT, 'node_modules/.bin/tsc')} --ignoreConfig --noEmit --strict --target es2024`;
    await run(`${tsc} --types node --module nodenext story.mts readme.mts`, project, env);
    await run(
      `${tsc} --types '' --module esnext --moduleResolution bundler --lib es2024,dom page.ts`,
      project,
      env,
    );
  });

  await t.test('Python, with the code of grpcio-tools', async (part) => {
    const cwd = await checkout(part);
    const { env, arrived } = await world(part, penstock);
    const wheels = pythonWheels(join(cwd, 'examples/python/requirements.txt'));
    await runBlocks('python', cwd, { ...env, ...wheels });
    assert.deepEqual(arrived(), [['python/1', PAYLOAD]]);
  });

  await t.test('Go, with the code of protoc-gen-go and protoc-gen-go-grpc', async (part) => {
    const cwd = await checkout(part);
    const { env, arrived } = await world(part, penstock);
    await runBlocks('go', cwd, env);
    assert.deepEqual(arrived(), [['golang/1', PAYLOAD]]);
  });

  for (const kind of ['grpcurl', 'curl']) {
    await t.test(`${kind}, in a shell`, async (part) => {
      const { env, arrived } = await world(part, penstock);
      await runBlocks(kind, ROOT, env);
      assert.deepEqual(arrived(), [[`${kind}/1`, PAYLOAD]]);
    });
  }
});
