import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { fromBinary, toJson } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { file_buf_validate_validate } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';

const ROOT = join(import.meta.dirname, '../..');

/** Runs buf in the repository; fails with what it says. */
async function buf(...args: string[]): Promise<Buffer> {
  const run = promisify(execFile);
  const { stdout } = await run(join(ROOT, 'node_modules/.bin/buf'), args, {
    cwd: ROOT,
    encoding: 'buffer',
    timeout: 120_000,
    maxBuffer: 64 << 20,
  });
  return stdout;
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'penstock-generated-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

test('gen/ is what buf generates from the schema; run `npm run generate` when it is not', async (t) => {
  const folder = await temporaryFolder(t);
  await buf('generate', '--output', folder);
  const [fresh, committed] = [join(folder, 'gen'), join(ROOT, 'gen')];
  const files = await filesIn(fresh);
  const own = ['openapi.json', 'penstock/v1/comments.ts', 'penstock/v1/roles.ts'];
  const ofBuf = (await filesIn(committed)).filter((file) => !own.includes(file));
  assert.deepEqual(ofBuf, files);
  for (const file of files) {
    const [expected, actual] = await Promise.all([
      readFile(join(fresh, file)),
      readFile(join(committed, file)),
    ]);
    assert.ok(expected.equals(actual), `gen/${file} is not fresh`);
  }
});

test('the option tables of docs/ are what the schema says; run `npm run generate` when they are not', async () => {
  await promisify(execFile)(process.execPath, ['scripts/option-tables.ts', '--check'], { cwd: ROOT });
});

test('the tables of docs/errors.md are what src/rpc says; run `npm run generate` when they are not', async () => {
  await promisify(execFile)(process.execPath, ['scripts/error-tables.ts', '--check'], { cwd: ROOT });
});

test('the table of roles in docs/security.md is what the policy says; run `npm run generate` when it is not', async () => {
  await promisify(execFile)(process.execPath, ['scripts/role-table.ts', '--check'], { cwd: ROOT });
});

test('gen/openapi.json is what the schema says; run `npm run generate` when it is not', async () => {
  await promisify(execFile)(process.execPath, ['scripts/openapi.ts', '--check'], { cwd: ROOT });
});

test('gen/penstock/v1/comments.ts is what the schema says; run `npm run generate` when it is not', async () => {
  await promisify(execFile)(process.execPath, ['scripts/comments.ts', '--check'], { cwd: ROOT });
});

test('the schema keeps the rules of buf lint, and its format', async () => {
  await buf('lint', 'proto');
  await buf('format', '--diff', '--exit-code', 'proto');
});

test('the vendored validate.proto is the one that the protovalidate package was made from', async (t) => {
  const folder = await temporaryFolder(t);
  const image = join(folder, 'image.binpb');
  await buf(
    'build',
    'third_party/protovalidate',
    '--exclude-source-info',
    '--as-file-descriptor-set',
    '-o',
    image,
  );
  const { file: files } = fromBinary(FileDescriptorSetSchema, await readFile(image));
  const vendored = files.find(({ name }) => name === 'buf/validate/validate.proto');
  assert.ok(vendored);
  const described = (file: typeof vendored) =>
    JSON.parse(JSON.stringify(toJson(FileDescriptorProtoSchema, file)), (key, value) =>
      // Follows from the field's name; the package leaves it out.
      key === 'jsonName' ? undefined : value,
    );
  assert.deepEqual(described(vendored), described(file_buf_validate_validate.proto));
});
