import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { isIPv4 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressProblem, literalAddress } from '../../src/runtime/target-address.ts';
import { allowedOnly, createTargetGuard, TargetRefusedError } from '../../src/runtime/target-guard.ts';

const METADATA = ['169.254.169.254', '169.254.170.2', '169.254.170.23', '100.100.100.200', '168.63.129.16'];
const METADATA_IPV6 = ['fd00:ec2::254', 'FD00:0EC2:0:0:0:0:0:0254', 'fd00:ec2::23', 'fd20:ce::254'];
const LOCAL = [
  ...['0.0.0.0', '0.1.2.3', '127.0.0.1', '127.255.255.255', '10.0.0.1', '10.255.255.255', '172.16.0.1'],
  ...['172.31.255.255', '192.168.0.1', '169.254.0.1', '100.64.0.1', '100.127.255.255', '224.0.0.1'],
  ...['240.0.0.1', '255.255.255.255', '192.0.2.1', '198.18.0.1', '198.51.100.1', '203.0.113.1', '192.0.0.8'],
];
const LOCAL_IPV6 = [
  ...[
    '::',
    '::1',
    'fe80::1',
    'fe80::1%eth0',
    'febf::1',
    'fec0::1',
    'fc00::1',
    'fdff::1',
    'ff02::1',
    '100::1',
  ],
  ...['2001:db8::1', '3fff::1', '64:ff9b:1::808:808', '4000::1', '::1:2:3:4'],
];
const PUBLIC = ['8.8.8.8', '1.1.1.1', '172.15.0.1', '172.32.0.1', '100.63.0.1', '100.128.0.1', '11.0.0.1'];
const PUBLIC_IPV6 = ['2606:4700::1111', '2a00:1450:4001::200e', '2001:4860:4860::8888'];

/** The IPv6 addresses that lead to an IPv4 address. */
function carriers(ipv4: string): readonly string[] {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number);
  const hex = (high: number, low: number, flip = 0) => (((high << 8) | low) ^ flip).toString(16);
  const flipped = `${hex(a, b, 0xffff)}:${hex(c, d, 0xffff)}`;
  return [
    `::ffff:${ipv4}`,
    `::ffff:${hex(a, b)}:${hex(c, d)}`,
    `0:0:0:0:0:FFFF:${hex(a, b)}:${hex(c, d)}`,
    `::${ipv4}`,
    `::ffff:0:${ipv4}`,
    `64:ff9b::${ipv4}`,
    `2002:${hex(a, b)}:${hex(c, d)}::`,
    `2002:${hex(a, b)}:${hex(c, d)}::1`,
    `2001:0:808:808:0:0:${flipped}`,
    `2001:0:${hex(a, b)}:${hex(c, d)}:0:0:f7f7:f7f7`,
  ];
}

test('cloud metadata is refused always, in every spelling', () => {
  for (const address of [...METADATA, ...METADATA.flatMap(carriers), ...METADATA_IPV6]) {
    for (const allowsLocal of [true, false]) {
      assert.equal(addressProblem(address, allowsLocal), 'metadata', address);
    }
  }
});

test('what is local is refused where it is not allowed, in every spelling', () => {
  for (const address of [...LOCAL, ...LOCAL.flatMap(carriers), ...LOCAL_IPV6]) {
    assert.equal(addressProblem(address, false), 'local', address);
    assert.equal(addressProblem(address, true), undefined, address);
  }
});

test('what is public is never refused', () => {
  for (const address of [...PUBLIC, ...PUBLIC.flatMap(carriers), ...PUBLIC_IPV6]) {
    for (const allowsLocal of [true, false]) {
      assert.equal(addressProblem(address, allowsLocal), undefined, address);
    }
  }
});

test('whatever the IPv4 address, what carries it is judged as it is', () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.boolean(), (ipv4, allowsLocal) => {
      for (const address of carriers(ipv4)) {
        assert.equal(addressProblem(address, allowsLocal), addressProblem(ipv4, allowsLocal), address);
      }
    }),
  );
});

test('what is no address at all is refused', () => {
  for (const text of ['', 'localhost', '127.0.0.1:80', '::g', '1.2.3']) {
    for (const allowsLocal of [true, false]) assert.equal(addressProblem(text, allowsLocal), 'local', text);
  }
});

const SPELLINGS = [
  ...[
    '127.0.0.1',
    '127.1',
    '127.0.1',
    '0x7f000001',
    '0x7F.0.0.1',
    '2130706433',
    '0177.0.0.1',
    '017700000001',
  ],
  ...[
    '127.0.0.1.',
    '[::1]',
    '::1',
    '[::ffff:7f00:1]',
    '::ffff:127.0.0.1',
    '[::ffff:127.0.0.1]',
    '0',
    '0.0.0.0',
  ],
  ...['localhost', 'LocalHost', 'localhost.', 'a.localhost', '[fe80::1%lo]'],
];

test('however this machine is spelled, it is known without a resolver', () => {
  const [refusing, allowing] = [createTargetGuard(false), createTargetGuard(true)];
  for (const host of SPELLINGS) {
    assert.throws(() => refusing.checkLiteral(host), {
      name: 'TargetRefusedError',
      message: `refused: ${host} is a private address; allow it with INTEGRATIONS_ALLOW_LOCAL_NETWORK_HOSTS=true`,
    });
    allowing.checkLiteral(host);
  }
});

test('a metadata address has no way out', () => {
  for (const allowsLocal of [true, false]) {
    const guard = createTargetGuard(allowsLocal);
    for (const host of [
      '169.254.169.254',
      '0xa9fea9fe',
      '2852039166',
      '[::ffff:a9fe:a9fe]',
      'fd00:ec2::254',
    ]) {
      assert.throws(() => guard.checkLiteral(host), {
        message: `refused: ${host} is a cloud metadata address, which no integration may reach`,
      });
    }
  }
});

test('a name is no literal, whatever it looks like', () => {
  const names = [
    'example.com',
    'cafe',
    'dead.beef',
    'localhost.example.com',
    'xlocalhost',
    '1.2.3.4.5',
    'a b',
    '',
  ];
  for (const name of [...names, '127.0.0.1:80', '127.0.0.1/x', 'user@127.0.0.1', '[', '..']) {
    assert.equal(literalAddress(name), undefined, name);
    createTargetGuard(false).checkLiteral(name);
  }
});

/** Looks a name up that resolves to these addresses. */
function lookUp(addresses: readonly string[], allowsLocal = false): Promise<readonly LookupAddress[]> {
  const found = addresses.map((address) => ({ address, family: isIPv4(address) ? 4 : 6 }));
  const guarded = allowedOnly(
    async () => found,
    (address) => addressProblem(address, allowsLocal),
  );
  return guarded('name.test', new AbortController().signal);
}

test('of the addresses of a name only those that are allowed are tried', async () => {
  const all = ['10.0.0.1', '8.8.8.8', '::1', '2606:4700::1111', '169.254.169.254'];
  const tried = async (allowsLocal: boolean) =>
    (await lookUp(all, allowsLocal)).map(({ address }) => address);
  assert.deepEqual(await tried(false), ['8.8.8.8', '2606:4700::1111']);
  assert.deepEqual(await tried(true), ['10.0.0.1', '8.8.8.8', '::1', '2606:4700::1111']);
});

test('a name with no address that is allowed is refused with the reason', async () => {
  await assert.rejects(lookUp(['10.0.0.1', '::1']), {
    name: 'TargetRefusedError',
    message: /^refused: name\.test \(10\.0\.0\.1\) is a private address; allow it with INTEGR/,
  });
  await assert.rejects(lookUp(['169.254.169.254'], true), {
    name: 'TargetRefusedError',
    message: /name\.test \(169\.254\.169\.254\) is a cloud metadata address/,
  });
  await assert.rejects(lookUp([]), TargetRefusedError);
});

test('a resolver that fails is heard', async () => {
  const failure = new Error('ENOTFOUND');
  const guard = createTargetGuard(true, () => Promise.reject(failure));
  const socket = guard.connect({ host: 'name.test', port: 1 });
  await assert.rejects(once(socket, 'connect'), failure);
});
