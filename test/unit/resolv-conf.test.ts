import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHosts } from '../../src/runtime/hosts-file.ts';
import { fullNames, parseResolvConf } from '../../src/runtime/resolv-conf.ts';

test('the search list of resolv.conf is read, the last one of several', () => {
  const text = [
    '# search no.example',
    'nameserver 10.0.0.2',
    'domain old.example',
    'search  shop.svc.cluster.local svc.cluster.local. .cluster.local',
    '; options ndots:9',
    'options timeout:1 ndots:5 rotate',
  ].join('\n');
  assert.deepEqual(parseResolvConf(text), {
    search: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
    ndots: 5,
  });
  assert.deepEqual(parseResolvConf(''), { search: [], ndots: 1 });
  assert.deepEqual(parseResolvConf('domain a.example more\noptions ndots:99'), {
    search: ['a.example'],
    ndots: 15,
  });
  assert.deepEqual(parseResolvConf('search a.example\nsearch .'), { search: [], ndots: 1 });
});

test('a name with few dots is completed first, any other one last, and one with a dot at its end never', () => {
  const cluster = { search: ['shop.svc.local', 'svc.local'], ndots: 5 };
  assert.deepEqual(fullNames('kafka', cluster), ['kafka.shop.svc.local', 'kafka.svc.local', 'kafka']);
  assert.deepEqual(fullNames('a.b.c.d.e.example', cluster)[0], 'a.b.c.d.e.example');
  const plain = { search: ['example.com'], ndots: 1 };
  assert.deepEqual(fullNames('kafka', plain), ['kafka.example.com', 'kafka']);
  assert.deepEqual(fullNames('kafka.shop', plain), ['kafka.shop', 'kafka.shop.example.com']);
  assert.deepEqual(fullNames('kafka.', plain), ['kafka']);
  assert.deepEqual(fullNames('kafka', { search: [], ndots: 1 }), ['kafka']);
});

test('a hosts file gives each name its addresses of both families', () => {
  const text =
    '127.0.0.1\tlocalhost\n::1 localhost ip6\n# 10.0.0.9 no\n\n10.0.0.1  Kafka kafka.  db # main\nx y\n';
  assert.deepEqual(
    [...parseHosts(text)],
    [
      [
        'localhost',
        [
          { address: '127.0.0.1', family: 4 },
          { address: '::1', family: 6 },
        ],
      ],
      ['ip6', [{ address: '::1', family: 6 }]],
      [
        'kafka',
        [
          { address: '10.0.0.1', family: 4 },
          { address: '10.0.0.1', family: 4 },
        ],
      ],
      ['db', [{ address: '10.0.0.1', family: 4 }]],
    ],
  );
});
