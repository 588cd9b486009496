import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { matches, topicFilterProblem, topicNameProblem } from '../../src/topic-filter/topic-filter.ts';
import { TopicFilterTrie } from '../../src/topic-filter/trie.ts';

// Few words, so that filters and names meet often; the empty level and `$` levels are levels too.
const word = fc.constantFrom('', 'a', 'b', '$a', '$SYS', 'ä');
const topicName = fc
  .array(word, { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join('/'))
  .filter((name) => name !== '');
const topicFilter = fc
  .tuple(fc.array(fc.oneof(word, fc.constant('+')), { minLength: 1, maxLength: 5 }), fc.boolean())
  .map(([levels, rest]) => [...levels, ...(rest ? ['#'] : [])].join('/'))
  .filter((filter) => filter !== '');

test('matches() follows the examples of MQTT 5.0 §4.7', () => {
  const cases: [filter: string, name: string, expected: boolean][] = [
    ['sport/tennis/player1/#', 'sport/tennis/player1', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
    ['sport/#', 'sport', true],
    ['sport/tennis/+', 'sport/tennis/player1', true],
    ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
    ['sport/+', 'sport', false],
    ['sport/+', 'sport/', true],
    ['+/+', '/finance', true],
    ['/+', '/finance', true],
    ['+', '/finance', false],
    ['#', '$SYS/uptime', false],
    ['+/uptime', '$SYS/uptime', false],
    ['$SYS/#', '$SYS/uptime', true],
    ['$SYS/+', '$SYS/uptime', true],
    ['a/#', 'a/$b', true],
    ['ACCOUNTS', 'Accounts', false],
    ['#', 'a', true],
  ];
  for (const [filter, name, expected] of cases) {
    assert.equal(matches(filter, name), expected, `${filter} against ${name}`);
    const trie = new TopicFilterTrie<number>();
    trie.add(filter, 1);
    assert.equal(trie.match(name).size, expected ? 1 : 0, `trie: ${filter} against ${name}`);
  }
});

test('a filter or name that MQTT does not allow is told what is wrong', () => {
  for (const filter of [
    '',
    'a#',
    'a/#/b',
    '#/',
    'a+',
    '+a/b',
    'a\0',
    'x'.repeat(65_536),
    'ä'.repeat(40_000),
  ]) {
    assert.notEqual(topicFilterProblem(filter), undefined, filter.slice(0, 10));
  }
  for (const filter of ['a', '/', '#', '+', '+/#', 'a//+/b', '$SYS/#', 'x'.repeat(65_535)]) {
    assert.equal(topicFilterProblem(filter), undefined, filter.slice(0, 10));
  }
  for (const name of ['', 'a/+', '#', 'a\0', 'x'.repeat(65_536)])
    assert.notEqual(topicNameProblem(name), undefined);
  for (const name of ['a', '/', 'a b/ä', '$SYS']) assert.equal(topicNameProblem(name), undefined);
});

test('the trie finds what matches() finds, each value once, also after removals', () => {
  const entries = fc.array(fc.record({ filter: topicFilter, value: fc.integer({ min: 0, max: 5 }) }), {
    maxLength: 20,
  });
  fc.assert(
    fc.property(
      entries,
      fc.array(fc.nat()),
      fc.array(topicName, { minLength: 1 }),
      (added, removals, names) => {
        const trie = new TopicFilterTrie<number>();
        for (const { filter, value } of added) trie.add(filter, value);
        const removed = removals
          .map((index) => added[index % added.length])
          .filter((entry) => entry !== undefined);
        for (const { filter, value } of removed) trie.remove(filter, value);
        const left = added.filter(
          (entry) => !removed.some((gone) => gone.filter === entry.filter && gone.value === entry.value),
        );
        for (const name of names) {
          const expected = new Set(
            left.filter(({ filter }) => matches(filter, name)).map(({ value }) => value),
          );
          assert.deepEqual([...trie.match(name)].sort(), [...expected].sort(), name);
        }
      },
    ),
  );
});

test('generated filters and names are valid', () => {
  fc.assert(fc.property(topicFilter, (filter) => topicFilterProblem(filter) === undefined));
  fc.assert(fc.property(topicName, (name) => topicNameProblem(name) === undefined));
});

test('a filter with as many levels as MQTT allows can be added, matched and removed', () => {
  const trie = new TopicFilterTrie<number>();
  const name = '/'.repeat(65_535);
  trie.add(name, 1);
  assert.deepEqual([...trie.match(name)], [1]);
  trie.remove(name, 1);
  assert.equal(trie.match(name).size, 0);
});
