import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { failed } from '../../src/rpc/error.ts';
import { REASONS } from '../../src/rpc/reasons.ts';
import { VIOLATION_REASONS } from '../../src/rpc/violation-reasons.ts';
import { sourcesIn } from '../helpers/sources.ts';

/** What answers callers. What executors find wrong is told with one reason, whatever theirs is. */
const FOLDERS = ['src/contract', 'src/rpc', 'src/control-plane', 'src/ingress', 'src/access'];
const sources = sourcesIn(...FOLDERS).filter(
  ({ path }) => !/^src\/rpc\/(violation-)?reasons\.ts$/.test(path),
);
/** Where a reason is given to a violation: as its field, or to `wrong` or `#tell`, which make one. */
const GIVEN = /\breason: '([A-Z_]+)'|(?:\bwrong|#tell)\((?:[\w'.]+,\s*)?'([A-Z_]+)'/g;

test('every reason of a wrong field stands in the one file of them, and every one there is used', () => {
  const used = sources.flatMap(({ code }) => [...code.matchAll(GIVEN)].map(([, a, b]) => a ?? b!));
  assert.ok(used.length > 40, 'they are found');
  assert.deepEqual([...new Set(used)].toSorted(), Object.keys(VIOLATION_REASONS).toSorted());
});

test('every reason of an error is used; that none is used that is not there, the compiler sees', () => {
  const isUsed = (reason: string) => sources.some(({ code }) => code.includes(`'${reason}'`));
  assert.deepEqual(
    Object.keys(REASONS).filter((reason) => !isUsed(reason)),
    [],
  );
  // @ts-expect-error: there is no such reason
  failed(Code.ABORTED, 'NO_SUCH_REASON', '');
  // @ts-expect-error: it does not come with this code
  failed(Code.NOT_FOUND, 'ETAG_MISMATCH', '');
  failed(Code.ABORTED, 'ETAG_MISMATCH', '');
});

test('each reason has its codes, and says in a sentence when it comes and what to do', () => {
  for (const [name, { codes, when, todo }] of Object.entries(REASONS)) {
    assert.ok(codes.length > 0, name);
    for (const text of [when, todo]) assert.match(text, /^[A-Z`].*\.$/, name);
  }
  for (const [name, { when, todo }] of Object.entries(VIOLATION_REASONS)) {
    for (const text of [when, todo]) assert.match(text, /^[A-Z`].*\.$/, name);
  }
});
