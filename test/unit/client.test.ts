import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { test } from 'node:test';
import type { DescEnum, DescMessage, DescService } from '@bufbuild/protobuf';
import * as contract from '../../src/client/contract.ts';
import { connect } from '../../src/client/node.ts';
import { SERVICES } from '../../src/client/services.ts';

/** The messages and enums that a message is made of, itself among them. */
function partsOf(
  message: DescMessage,
  found: Set<DescMessage | DescEnum> = new Set(),
): Set<DescMessage | DescEnum> {
  if (found.has(message)) return found;
  found.add(message);
  for (const { message: part, enum: values } of message.fields) {
    if (part) partsOf(part, found);
    if (values) found.add(values);
  }
  return found;
}

/** Those of the API as it was generated, whatever the client has of them. */
async function generatedServices(): Promise<DescService[]> {
  const files = globSync('gen/penstock/v1/*_service_pb.ts');
  const modules: Record<string, DescService>[] = await Promise.all(
    files.map((file) => import(`../../${file}`)),
  );
  return modules.flatMap((module) => Object.values(module).filter(({ kind }) => kind === 'service'));
}

test('the client has every service of the API', async () => {
  const there = (await generatedServices()).map(({ typeName }) => typeName);
  assert.ok(there.includes('penstock.v1.IntegrationService'));
  const had = Object.values(SERVICES).map(({ typeName }) => typeName);
  assert.deepEqual(had.toSorted(), there.toSorted());
});

test('the client gives every message and enum that the services of the API speak of', async () => {
  const spoken = new Set(
    (await generatedServices()).flatMap(({ methods }) =>
      methods.flatMap(({ input, output }) => [...partsOf(input), ...partsOf(output)]),
    ),
  );
  const given = new Set<unknown>(Object.values(contract));
  const missing = [...spoken].filter((desc) => desc.typeName.startsWith('penstock.v1.') && !given.has(desc));
  assert.deepEqual(
    missing.map(({ typeName }) => typeName),
    [],
  );
});

test('an address of the client is host:port', () => {
  for (const address of [
    '',
    'http://localhost:9090',
    'localhost:9090/path',
    'user@localhost:9090',
    'a b:1',
  ]) {
    assert.throws(() => connect({ address }), { name: 'TypeError', message: /^address must be host:port/ });
  }
  for (const address of ['localhost:9090', '127.0.0.1:9090', '[::1]:9090']) connect({ address }).close();
});
