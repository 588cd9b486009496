import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { codeViolations, Statuses } from '../../src/executor/handlers/http/statuses.ts';

const statuses = (successCodes: string[] = [], retryCodes: string[] = []) =>
  new Statuses({ successCodes, retryCodes });
const successes = (of: Statuses) =>
  Array.from({ length: 800 }, (_, status) => status).filter((status) => of.isSuccess(status));
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

test('2xx is a delivery unless other codes are', () => {
  assert.deepEqual(successes(statuses()), range(200, 299));
  assert.deepEqual(successes(statuses(['200', '202-204', '404', '3xx'])), [
    200,
    ...range(202, 204),
    ...range(300, 399),
    404,
  ]);
});

test('a code to retry is tried again, whatever it means otherwise; the others are as they were', () => {
  const { UNAVAILABLE, REJECTED, TOO_LARGE, THROTTLED, TIMEOUT } = FailureClass;
  const some = statuses([], ['4xx', '302']);
  const usual = statuses();
  const classes: [number, FailureClass, FailureClass][] = [
    [400, REJECTED, UNAVAILABLE],
    [422, REJECTED, UNAVAILABLE],
    [413, TOO_LARGE, UNAVAILABLE],
    [414, TOO_LARGE, UNAVAILABLE],
    [415, REJECTED, UNAVAILABLE],
    [431, TOO_LARGE, UNAVAILABLE],
    [451, UNAVAILABLE, UNAVAILABLE],
    [429, THROTTLED, THROTTLED],
    [408, TIMEOUT, TIMEOUT],
    [302, REJECTED, UNAVAILABLE],
    [301, REJECTED, REJECTED],
    [404, UNAVAILABLE, UNAVAILABLE],
    [204, UNAVAILABLE, UNAVAILABLE],
    [799, UNAVAILABLE, UNAVAILABLE],
  ];
  for (const [status, before, now] of classes) {
    assert.equal(usual.classOf(status), before, `${status}`);
    assert.equal(some.classOf(status), now, `${status}`);
  }
});

test('ranges that end before they begin, and codes of both lists, are told', () => {
  const violations = codeViolations({
    successCodes: ['2xx', '204-200', '404'],
    retryCodes: ['400-499', '599-500'],
  });
  assert.deepEqual(
    violations.map(({ field }) => field),
    ['success_codes[1]', 'retry_codes[1]', 'retry_codes'],
  );
  assert.match(violations[0]?.description ?? '', /200-204/);
  assert.match(violations[2]?.description ?? '', /^404 /);
  assert.deepEqual(codeViolations({ successCodes: [], retryCodes: ['204'] }), []);
});
