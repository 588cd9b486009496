import assert from 'node:assert/strict';
import { test } from 'node:test';
import { topicsOf } from '../../src/bus/topics.ts';
import {
  integrationIdsIn,
  notificationsOfTheDead,
  Suspects,
} from '../../src/control-plane/topics/orphan-names.ts';
import { clusterOf, knownNode } from '../helpers/nodes.ts';

const topics = topicsOf('p');
const ID = '6f3c1f0e-8b0a-4e57-9c5b-0f6f2f5c9a11';

test('the ids of integrations are found in names of exactly their shape', () => {
  const ours = [topics.messages(ID).name, topics.deadLetters(ID).name];
  for (const name of ours) assert.deepEqual([...integrationIdsIn(topics, [name])], [ID], name);
  const others = [
    `${topics.messages(ID).name}x`,
    `${topics.messages(ID).name}.copy`,
    `x${topics.messages(ID).name}`,
    `q.msg.ie.${ID}`,
    `p.x.msg.ie.${ID}`,
    `pxmsg.ie.${ID}`,
    `p.msg.ie.${ID.toUpperCase()}`,
    `p.msg.ie.${ID.slice(1)}`,
    'p.msg.ie.',
    'p.msg.ie.orders',
    `p.ie.downlink.${ID}`,
    ID,
  ];
  assert.deepEqual([...integrationIdsIn(topics, others)], []);
});

test('a notification topic is of a dead node when none of its name lives', () => {
  const nodes = ['alive', 'with space/and.dots'].map((id) => knownNode(id));
  const cluster = clusterOf(...nodes, knownNode('gone', { isLiving: false }));
  const named = (...ids: string[]) => ids.map((id) => topics.notifications(id).name);
  const all = named('alive', 'gone', 'never heard of', 'with space/and.dots');
  const others = ['other.ie.uplink.notifications.x', topics.uplink.name, topics.downlink('http').name];
  assert.deepEqual(
    notificationsOfTheDead(topics, [...all, ...others], cluster),
    named('gone', 'never heard of'),
  );
});

test('only what is suspected all the time is confirmed', () => {
  const suspects = new Suspects(100);
  assert.deepEqual(suspects.confirmed(['a', 'b'], 0), []);
  assert.deepEqual(suspects.confirmed(['a', 'c'], 99), []);
  assert.deepEqual(suspects.confirmed(['a', 'b', 'c'], 100), ['a']);
  assert.deepEqual(suspects.confirmed(['b', 'c'], 199), ['c']);
  assert.deepEqual(suspects.confirmed(['b'], 200), ['b']);
});
