import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFilters } from '../../src/ingress/listener/control-packets.ts';
import type { Frame } from '../../src/ingress/listener/framer.ts';
import { PacketType, type ProtocolVersion } from '../../src/ingress/listener/protocol.ts';

/** Reads a SUBSCRIBE of one filter. */
function subscribe(version: ProtocolVersion, filter: string, options: number): number {
  const body = Buffer.concat([
    Buffer.from([0, 1]),
    Buffer.from(version === 5 ? [0] : []),
    Buffer.from([0, filter.length]),
    Buffer.from(filter),
    Buffer.from([options]),
  ]);
  const frame: Frame = { type: PacketType.SUBSCRIBE, flags: 2, whole: body, body };
  return readFilters(frame, version).count;
}

const RETAIN_AS_PUBLISHED = 0b1000;
const NO_LOCAL = 0b100;

test('of the options of a subscription all are taken that 5.0 has, but No Local on a shared one', () => {
  for (const qos of [0, 1, 2]) {
    for (const handling of [0, 1, 2]) {
      const options = (handling << 4) | RETAIN_AS_PUBLISHED | qos;
      assert.equal(subscribe(5, 'a/b', options | NO_LOCAL), 1);
      assert.equal(subscribe(5, '$share/g/a', options), 1);
      assert.throws(() => subscribe(5, '$share/g/a', options | NO_LOCAL), { name: 'MqttError' });
    }
  }
  for (const options of [0b11, 0b11_0000, 0b100_0000, 0b1000_0000]) {
    assert.throws(() => subscribe(5, 'a/b', options), { name: 'MqttError' }, `${options}`);
  }
});

test('before 5.0 a subscription has a QoS, and nothing else', () => {
  for (const version of [3, 4] as const) {
    for (const qos of [0, 1, 2]) assert.equal(subscribe(version, 'a/b', qos), 1);
    for (const options of [0b11, NO_LOCAL, RETAIN_AS_PUBLISHED, 0b1_0000, 0b1000_0000]) {
      assert.throws(() => subscribe(version, 'a/b', options), { name: 'MqttError' }, `${options}`);
    }
  }
});
