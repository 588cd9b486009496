import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toBinary } from '@bufbuild/protobuf';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { BadRequestSchema, ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../gen/google/rpc/status_pb.ts';
import { detailOf, failed, invalidArgument, toStatus } from '../../src/rpc/error.ts';

const violation = (field: string, description = 'is wrong') => ({ field, description, reason: 'WRONG' });

test('an invalid argument says each path in its message and in its details', () => {
  const error = invalidArgument([violation('a.b'), violation('', 'does not fit together')]);
  assert.equal(error.code, Code.INVALID_ARGUMENT);
  assert.equal(error.message, 'a.b: is wrong; does not fit together');
  const violations = detailOf(error, BadRequestSchema)?.fieldViolations ?? [];
  assert.deepEqual(
    violations.map(({ field, description, reason }) => ({ field, description, reason })),
    [violation('a.b'), violation('', 'does not fit together')],
  );
  assert.equal(detailOf(error, ErrorInfoSchema), undefined);
});

test('however much is wrong, the error fits into 8 KiB of headers', () => {
  const long = 'x'.repeat(10_000);
  const error = invalidArgument(Array.from({ length: 500 }, () => violation(long, long)));
  const details = Buffer.from(toBinary(StatusSchema, toStatus(error))).toString('base64');
  assert.ok(encodeURI(error.message).length + details.length < 8 << 10);
  assert.equal(detailOf(error, BadRequestSchema)?.fieldViolations.length, 10);
  const few = invalidArgument(Array.from({ length: 12 }, () => violation('a')));
  assert.match(few.message, /; and 2 more$/);
});

test('a text that is cut can still be written into a header', () => {
  const error = failed(Code.ABORTED, 'ETAG_MISMATCH', '😀'.repeat(1000));
  assert.ok(error.message.isWellFormed());
  assert.ok(encodeURI(error.message));
});

test('the status of an unknown error tells nothing of it', () => {
  for (const error of [new Error('secret', { cause: 'cause' }), 'secret', undefined]) {
    const { code, message, details } = toStatus(error);
    assert.deepEqual(
      { code, message, details },
      { code: Code.INTERNAL, message: 'internal error', details: [] },
    );
  }
});
