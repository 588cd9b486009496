import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import {
  type DescFile,
  type DescMessage,
  fromBinary,
  type JsonValue,
  type Message,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { type Envelope, EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { SettledAheadSchema } from '../../gen/penstock/v1/offset_pb.ts';
import { metadataOf, parseMetadata } from '../../src/bus/offset-metadata.ts';
import { type Topic, topicsOf } from '../../src/bus/topics.ts';
import { decodeEnvelope } from '../../src/contract/decode-envelope.ts';
import { filledMessages } from '../helpers/filled-message.ts';
import { assertGolden, brokenFor, goldenNames } from '../helpers/golden.ts';
import type { GoldenRecord } from '../helpers/golden-record.ts';
import { productRecords } from '../helpers/product-records.ts';

/** One message in which every field is set. */
interface Fixture {
  /** In hex. */
  readonly bytes: string;
  readonly json: JsonValue;
}

const GENERATED = new URL('../../gen/penstock/v1/', import.meta.url);

/** All of the schema, of whatever file it is. */
async function schemaFiles(): Promise<readonly DescFile[]> {
  const modules = await Promise.all(
    readdirSync(GENERATED).map((file) => import(new URL(file, GENERATED).href)),
  );
  return modules.flatMap((module) => Object.values<DescFile>(module).filter(({ kind }) => kind === 'file'));
}

const withInner = (desc: DescMessage): readonly DescMessage[] => [
  desc,
  ...desc.nestedMessages.flatMap(withInner),
];

const files = await schemaFiles();
const messages = files.flatMap((file) => file.messages.flatMap(withInner));
const schemaOf = new Map(messages.map((desc) => [desc.typeName, desc]));

/** What Kafka keeps: the values of every topic, and what stands in the metadata of an offset. */
const kept = new Set([
  SettledAheadSchema.typeName,
  ...Object.values(topicsOf('p'))
    .map((topic) => (typeof topic === 'function' ? topic('x') : topic) as Partial<Topic>)
    .flatMap(({ schema }) => schema?.typeName ?? []),
]);

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const fixtureOf = (desc: DescMessage, message: Message): Fixture => {
  return { bytes: hex(toBinary(desc, message)), json: toJson(desc, message) };
};

/** Fails unless the bytes are read as the values that they were made of. */
function read(desc: DescMessage, { bytes, json }: Fixture, name = desc.typeName): Message {
  try {
    const message = fromBinary(desc, Buffer.from(bytes, 'hex'));
    assert.deepEqual(toJson(desc, message), json);
    return message;
  } catch (error) {
    throw new Error(brokenFor(name, String(error)), { cause: error });
  }
}

describe('every message that Kafka or a caller has is written and read as by the versions before', () => {
  for (const desc of messages) {
    test(desc.typeName, () => {
      const fresh = filledMessages(desc, kept.has(desc.typeName)).map((message) => fixtureOf(desc, message));
      assertGolden(desc.typeName, fresh, (old) => {
        for (const fixture of old) {
          const again = toBinary(desc, read(desc, fixture), { writeUnknownFields: false });
          assert.equal(
            hex(again),
            fixture.bytes,
            brokenFor(desc.typeName, 'some of it is not known any more'),
          );
        }
      });
    });
  }

  test('envelopes also by the decoder that is written by hand', () => {
    const [message] = filledMessages(EnvelopeSchema, true);
    const bytes = Buffer.from(toBinary(EnvelopeSchema, message as Envelope));
    assert.deepEqual(
      toJson(EnvelopeSchema, decodeEnvelope(bytes)),
      toJson(EnvelopeSchema, message as Envelope),
    );
  });

  test('none is gone', () => {
    const known = [...schemaOf.keys(), 'enums', 'records', 'offset-metadata'];
    const gone = goldenNames().filter((name) => !known.includes(name));
    assert.deepEqual(gone, [], 'keep the message: what versions before have written of it is still there');
  });

  test('what Kafka keeps is among them', () => {
    const own = [...kept].filter((name) => name !== 'google.protobuf.Empty');
    assert.ok(own.length >= 8, own.join());
    for (const name of own) assert.ok(schemaOf.has(name), name);
  });
});

test('every value of an enum has the number that it had', () => {
  const enums = [...files, ...messages].flatMap((desc) =>
    desc.kind === 'file' ? desc.enums : desc.nestedEnums,
  );
  const numbers = enums.map(({ typeName, values }) => [
    typeName,
    Object.fromEntries(values.map(({ name, number }) => [name, number])),
  ]);
  const fresh: Record<string, Record<string, number>> = Object.fromEntries(numbers);
  assertGolden('enums', fresh, (old) => {
    for (const [name, values] of Object.entries(old)) {
      const today = Object.fromEntries(Object.keys(values).map((value) => [value, fresh[name]?.[value]]));
      assert.deepEqual(today, values, brokenFor(name, 'a value has another number, or is gone'));
    }
  });
});

test('what the parts of Penstock send has the topic, the key and the value that it had', async () => {
  const fresh: Record<string, GoldenRecord> = await productRecords();
  assertGolden('records', fresh, (old) => {
    for (const [name, record] of Object.entries(old)) {
      if (record.value !== null)
        read(schemaOf.get(record.schema)!, { bytes: record.value, json: record.json }, name);
      const { topic, key } = fresh[name] ?? {};
      const there = { topic: record.topic, key: record.key };
      assert.deepEqual({ topic, key }, there, brokenFor(name, 'it has another topic, or another key'));
    }
  });
});

test('what is committed with an offset is written and read as it was', () => {
  const ahead = {
    latest: 1_700_000_000_123,
    ranges: [
      { start: 1003, end: 1005 },
      { start: 1400, end: 91_400 },
    ],
  };
  const committed = [{ tag: 'http/2@member ü', ahead }, { tag: '', ahead }, { tag: 'kafka/16@member' }];
  const place = { topic: 't', partition: 0, offset: 1000 };
  const fresh = committed.map((one) => ({ ...one, metadata: metadataOf({ ...place, ...one }) }));
  assertGolden('offset-metadata', fresh, (old) => {
    for (const { metadata, ...meant } of old) {
      const found = parseMetadata(metadata, place.offset);
      assert.deepEqual(found, meant, brokenFor('the metadata of an offset', metadata));
    }
  });
});
