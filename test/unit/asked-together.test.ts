import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AskedTogether } from '../../src/runtime/asked-together.ts';

function asked(answer: (keys: readonly string[]) => Promise<ReadonlyMap<string, string>>) {
  const questions: (readonly string[])[] = [];
  const together = new AskedTogether((keys) => {
    questions.push(keys);
    return answer(keys);
  });
  return { together, questions };
}

const upper = async (keys: readonly string[]) =>
  new Map(keys.filter((key) => key !== 'none').map((key) => [key, key.toUpperCase()]));

test('what is asked in one turn is asked in one question, each thing once', async () => {
  const { together, questions } = asked(upper);
  const answers = await Promise.all(['a', 'b', 'none', 'a'].map((key) => together.get(key)));
  assert.deepEqual(answers, ['A', 'B', undefined, 'A']);
  assert.deepEqual(questions, [['a', 'b', 'none']]);
});

test('what is asked while a question is on its way is a question of its own: it sees what changed since', async () => {
  let isAsked = () => {};
  const first = new Promise<void>((resolve) => {
    isAsked = resolve;
  });
  let value = 'old';
  let answerFirst = () => {};
  const { together, questions } = asked(async (keys) => {
    const read = value;
    isAsked();
    if (read === 'old') await new Promise<void>((resolve) => (answerFirst = resolve));
    return new Map(keys.map((key) => [key, read]));
  });
  const before = together.get('a');
  await first;
  value = 'new';
  assert.equal(await together.get('a'), 'new');
  answerFirst();
  assert.equal(await before, 'old');
  assert.deepEqual(questions, [['a'], ['a']]);
});

test('a question is for 64 things at most', async () => {
  const { together, questions } = asked(upper);
  await Promise.all(Array.from({ length: 150 }, (_, n) => together.get(`k${n}`)));
  assert.deepEqual(
    questions.map(({ length }) => length),
    [64, 64, 22],
  );
});

test('a question that fails fails for all who asked it, and for nobody after them', async () => {
  let isDown = true;
  const { together } = asked(async (keys) => {
    if (isDown) throw new Error('down');
    return upper(keys);
  });
  const results = await Promise.allSettled([together.get('a'), together.get('b')]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  isDown = false;
  assert.equal(await together.get('a'), 'A');
});
