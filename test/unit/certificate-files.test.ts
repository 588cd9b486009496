import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { followCertificates } from '../../src/runtime/certificate-files.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { UserError } from '../../src/runtime/user-error.ts';
import { certificateAuthority } from '../helpers/certificates.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const named = (path: string, from: string) => ({ path, from });

test('certificates are read anew when their files have changed; while they do not go together the old ones stay', async (t) => {
  const { ca, issue } = await certificateAuthority(t);
  const [old, next] = [issue('old'), issue('next')];
  const directory = await temporaryDirectory(t);
  const [caFile = '', certFile = '', keyFile = ''] = ['ca', 'cert', 'key'].map((name) =>
    join(directory, name),
  );
  const lines: string[] = [];
  const logger = createLogger('info', systemClock, (line) => lines.push(JSON.parse(line).message));
  writeFileSync(caFile, ca);
  writeFileSync(certFile, old.cert);
  writeFileSync(keyFile, old.key);
  const files = { ca: named(caFile, 'CA'), cert: named(certFile, 'CERT'), key: named(keyFile, 'KEY') };
  const current = followCertificates(files, logger);
  const first = current();
  assert.equal(current(), first, 'nothing has changed');
  const stays = (why: string) => {
    assert.equal(current(), first, why);
    assert.equal(current(), first, why);
    assert.match(lines.at(-1) ?? '', /cannot be used: what was in them before is$/);
  };
  writeFileSync(certFile, next.cert);
  stays('the key is of the old one');
  writeFileSync(keyFile, next.key.slice(0, 100));
  stays('the key is half written');
  writeFileSync(keyFile, '');
  stays('the key is empty');
  await rm(keyFile);
  stays('the key is not there');
  assert.equal(lines.length, 4, 'each is told once');
  writeFileSync(keyFile, next.key);
  const second = current();
  assert.notEqual(second, first);
  assert.match(lines.at(-1) ?? '', /were read anew$/);
  writeFileSync(caFile, `${ca}${ca.slice(0, 100)}`);
  assert.equal(current(), second, 'an authority is half written');
});

test('files that cannot be used from the start are told by the settings that name them', async (t) => {
  const { ca, issue } = await certificateAuthority(t);
  const [one, other] = [issue('one'), issue('other')];
  const directory = await temporaryDirectory(t);
  const put = (name: string, text: string) => {
    writeFileSync(join(directory, name), text);
    return named(join(directory, name), name.toUpperCase());
  };
  const logger = createLogger('error', systemClock, () => {});
  const rows = [
    [
      { ca: put('ca', 'hello') },
      /^CA \(.*\): cannot be read: there is no certificate among the authorities$/,
    ],
    [{ ca: named('/none', 'CA') }, /^CA cannot be read: ENOENT/],
    [{ cert: put('cert', one.cert), key: put('key', other.key) }, /^CERT \(.*\) and KEY \(.*\): .*mismatch/],
    [{ ca: put('empty', '') }, /^EMPTY \(.*\): a file is empty$/],
  ] as const;
  for (const [files, expected] of rows) {
    assert.throws(
      () => followCertificates(files, logger),
      (error: Error) => error instanceof UserError && expected.test(error.message),
      String(expected),
    );
  }
  followCertificates({ ca: put('ca', ca), cert: put('cert', one.cert), key: put('key', one.key) }, logger)();
});
