import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TopicQuestions } from '../../src/bus/kafka/topic-questions.ts';
import type { TopicMetadata } from '../../src/kafkajs/metadata.ts';

const told = (topic: string): TopicMetadata => ({ topic, topicErrorCode: 0, partitionMetadata: [] });

test('thousands that ask at once ask in few requests, one at a time, and each gets its own answer', async () => {
  const sizes: number[] = [];
  let underWay = 0;
  const questions = new TopicQuestions(async (topics) => {
    assert.equal(++underWay, 1);
    sizes.push(topics.length);
    await new Promise(setImmediate);
    underWay--;
    return topics.toReversed().map(told);
  });
  const names = Array.from({ length: 1000 }, (_, n) => `topic-${n}`);
  const answers = await Promise.all(names.map((name) => questions.of(name)));
  assert.deepEqual(
    answers.map((one) => one?.topic),
    names,
  );
  assert.deepEqual(sizes, [1, 200, 200, 200, 200, 199]);
  assert.equal((await questions.of('one more'))?.topic, 'one more');
});

test('the same topic is asked for once; a request that fails fails its own alone', async () => {
  const asked: (readonly string[])[] = [];
  const questions = new TopicQuestions(async (topics) => {
    asked.push(topics);
    if (topics.includes('bad')) throw new Error('no answer');
    return topics.filter((topic) => topic !== 'gone').map(told);
  });
  const first = questions.of('first');
  const [bad, again, other] = [questions.of('bad'), questions.of('bad'), questions.of('other')];
  await assert.rejects(bad, /no answer/);
  await assert.rejects(again, /no answer/);
  await assert.rejects(other, /no answer/);
  assert.equal((await first)?.topic, 'first');
  assert.equal(await questions.of('gone'), undefined);
  assert.deepEqual(asked, [['first'], ['bad', 'other'], ['gone']]);
});
