import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Framer } from '../../src/ingress/listener/framer.ts';
import { Holdings } from '../../src/ingress/listener/holdings.ts';
import { PacketReader } from '../../src/ingress/listener/packet-reader.ts';
import { NO_PROPERTIES, PUBLISH_PROPERTIES, readProperties } from '../../src/ingress/listener/properties.ts';
import { TopicAliases } from '../../src/ingress/listener/publish-packet.ts';
import { type OnItsWay, Received } from '../../src/ingress/listener/received.ts';

/** A PUBLISH of QoS 0 of a mebibyte, without its end. */
const HEADER = Buffer.from([0x30, 0xf0, 0xff, 0x3f]);

test('a packet that comes a byte at a time is kept in one buffer, which grows with what has come', () => {
  const framer = new Framer(1_048_576);
  framer.push(HEADER);
  for (let bytes = HEADER.length; bytes < 100_000; bytes++) {
    assert.equal(framer.next(), undefined);
    assert.ok(framer.bytes <= Math.max(64, 2 * bytes), `${framer.bytes} for ${bytes}`);
    framer.push(Buffer.alloc(1, 'x'));
  }
  assert.equal(framer.isWithinPacket, true);
});

test('the beginning of a packet does not keep the whole read that it came with', () => {
  const framer = new Framer(1_048_576);
  const pings = Buffer.from('c000'.repeat(30_000), 'hex');
  framer.push(Buffer.concat([pings, HEADER]));
  for (let ping = 0; ping < 30_000; ping++) assert.equal(framer.next()?.type, 12);
  assert.ok(framer.bytes >= pings.length, 'until it is read to its end');
  assert.equal(framer.next(), undefined);
  assert.ok(framer.bytes <= 64);
});

test('packet identifiers without PUBREL are kept as by a map, and in no more than 8 KiB', () => {
  const received = new Received();
  for (let id = 1; id <= 65_535; id++) received.set(id, 'stored');
  assert.deepEqual([received.size, received.bytes], [65_535, 8192]);
  const change = fc.record({
    id: fc.integer({ min: 1, max: 65_535 }),
    what: fc.constantFrom('store', 'send', 'release'),
  });
  const onItsWay = { stored: Promise.resolve(1) };
  fc.assert(
    fc.property(fc.array(change, { maxLength: 400, size: 'max' }), (changes) => {
      const [actual, model] = [new Received(), new Map<number, OnItsWay | 'stored'>()];
      for (const { id, what } of changes) {
        if (what === 'release') for (const one of [actual, model]) one.delete(id);
        else for (const one of [actual, model]) one.set(id, what === 'store' ? 'stored' : onItsWay);
      }
      assert.equal(actual.size, model.size);
      for (const { id } of changes) assert.equal(actual.get(id), model.get(id));
      for (const { id } of changes) actual.delete(id);
      assert.deepEqual([actual.size, actual.bytes], [0, 0]);
    }),
  );
});

test('who holds the most gives it up when connections hold too much, and nobody else', () => {
  const holdings = new Holdings(1000);
  const gaveUp: string[] = [];
  const holder = (name: string) => ({ giveUp: () => gaveUp.push(name) });
  const [small, large, larger] = [holder('small'), holder('large'), holder('larger')];
  holdings.hold(small, 100);
  holdings.hold(large, 400);
  holdings.hold(larger, 500);
  assert.deepEqual([gaveUp, holdings.hasRoomFor(1)], [[], false]);
  holdings.hold(small, 101);
  assert.deepEqual([gaveUp, holdings.bytes, holdings.hasRoomFor(499)], [['larger'], 501, true]);
  holdings.hold(large, 0);
  holdings.hold(small, 1001);
  assert.deepEqual([gaveUp, holdings.bytes], [['larger', 'small'], 0]);
});

test('a topic alias counts with its name, once', () => {
  const aliases = new TopicAliases(2);
  const publish = { packetId: 0, qos: 0, retain: false, isDup: false, payload: Buffer.alloc(0) } as const;
  const resolve = (topicName: string, topicAlias: number) =>
    aliases.resolve({ ...publish, topicName, properties: { ...NO_PROPERTIES, topicAlias } });
  resolve('x'.repeat(1000), 1);
  resolve('x'.repeat(1000), 2);
  resolve('', 2);
  assert.equal(aliases.bytes, 2 * (2000 + 64));
  resolve('y', 1);
  assert.equal(aliases.bytes, 2000 + 64 + 2 + 64);
});

test('user properties beyond the limits of a message are read over, and told', () => {
  const read = (count: number, value: string) => {
    const property = Buffer.concat([
      Buffer.from([0x26, 0, 1, 0x6b, value.length >> 8, value.length & 255]),
      Buffer.from(value),
    ]);
    const properties = Buffer.concat(Array<Buffer>(count).fill(property));
    const length = [];
    for (let left = properties.length; left > 0; left = Math.floor(left / 128)) {
      length.push((left % 128) | (left >= 128 ? 128 : 0));
    }
    const alias = Buffer.from([0x23, 0, 7]);
    length[0]! += alias.length;
    const packet = Buffer.concat([Buffer.from(length), properties, alias]);
    const { userProperties, hasTooManyUserProperties, topicAlias } = readProperties(
      new PacketReader(packet),
      PUBLISH_PROPERTIES,
    );
    assert.equal(topicAlias, 7, 'what comes behind them is read');
    return [userProperties.length, hasTooManyUserProperties];
  };
  assert.deepEqual(read(1000, ''), [1000, undefined]);
  assert.deepEqual(read(150_000, ''), [1000, true]);
  assert.deepEqual(read(2, 'x'.repeat(32_767)), [2, undefined]);
  assert.deepEqual(read(30, 'x'.repeat(32_768)), [2, true]);
});
