import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, fromJson, type MessageInitShape, toBinary, toJson } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { AckStrategy, DeliveryPolicySchema } from '../../gen/penstock/v1/delivery_pb.ts';
import { UplinkRecordSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import { isValid } from '../../src/contract/validate.ts';
import { defaultsAsPolicy, type Policy, resolvePolicy } from '../../src/executor/delivery/policy.ts';
import { report } from '../helpers/reports.ts';

const DEFAULTS: Policy = {
  strategy: 'SKIP_ALL',
  retries: 5,
  pauseBetweenRetries: 1000,
  maxPause: 60_000,
  packProcessingTimeout: 30_000,
  maxInFlight: 64,
  maxInFlightBytes: 1e6,
  deadLetter: true,
  maxHops: 8,
};
const resolve = (init: MessageInitShape<typeof DeliveryPolicySchema>) =>
  resolvePolicy(create(DeliveryPolicySchema, init), DEFAULTS);

test('what a policy leaves unset comes from the settings', () => {
  assert.deepEqual(resolvePolicy(undefined, DEFAULTS), DEFAULTS);
  assert.deepEqual(resolve({}), DEFAULTS);
  assert.deepEqual(resolve({ ackStrategy: AckStrategy.UNSPECIFIED }), DEFAULTS);
  assert.deepEqual(resolve({ ackStrategy: 99 as AckStrategy }), DEFAULTS);
});

test('the settings as a policy say what leaving everything open says, whatever the settings are', () => {
  const extreme: Policy = {
    ...DEFAULTS,
    strategy: 'RETRY_ALL',
    retries: Number.MAX_SAFE_INTEGER,
    pauseBetweenRetries: Number.MAX_SAFE_INTEGER * 1000,
    maxPause: 2_147_483_647,
  };
  for (const defaults of [DEFAULTS, { ...DEFAULTS, deadLetter: false, retries: 0 }]) {
    assert.deepEqual(resolvePolicy(create(DeliveryPolicySchema, defaultsAsPolicy(defaults)), extreme), {
      ...defaults,
      maxInFlightBytes: extreme.maxInFlightBytes,
    });
  }
  const policy = create(DeliveryPolicySchema, defaultsAsPolicy(extreme));
  const read = fromJson(DeliveryPolicySchema, toJson(DeliveryPolicySchema, policy));
  assert.deepEqual(fromBinary(DeliveryPolicySchema, toBinary(DeliveryPolicySchema, read)), policy);
  const record = { startTime: timestampFromMs(1), deliveryDefaults: policy };
  assert.ok(isValid(UplinkRecordSchema, report('', { report: { case: 'node', value: record } })));
});

test('what a policy sets counts, also where it is zero or false', () => {
  const policy = resolve({
    ackStrategy: AckStrategy.RETRY_ALL,
    retries: 0,
    pauseBetweenRetries: durationFromMs(1500),
    maxPause: durationFromMs(2500),
    packProcessingTimeout: durationFromMs(10),
    maxInFlight: 1,
    deadLetter: false,
  });
  assert.deepEqual(policy, {
    strategy: 'RETRY_ALL',
    retries: 0,
    pauseBetweenRetries: 1500,
    maxPause: 2500,
    packProcessingTimeout: 10,
    maxInFlight: 1,
    maxInFlightBytes: DEFAULTS.maxInFlightBytes,
    deadLetter: false,
    maxHops: DEFAULTS.maxHops,
  });
  assert.equal(resolve({ ackStrategy: AckStrategy.SKIP_ALL }).strategy, 'SKIP_ALL');
});

test('the longest pause is never shorter than the first', () => {
  assert.equal(resolve({ pauseBetweenRetries: durationFromMs(120_000) }).maxPause, 120_000);
  assert.equal(resolve({ maxPause: durationFromMs(1) }).maxPause, 1000);
});
