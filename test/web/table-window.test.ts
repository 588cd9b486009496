import assert from 'node:assert/strict';
import { test } from 'node:test';
import { windowOf } from '../../web/src/ui/table-window.ts';

test('of a long table the rows in view are drawn, and the rest is as high as they would be', () => {
  for (const count of [0, 1, 25, 10_000]) {
    for (const top of [-500, 0, 46, 12_345, 460_000, 9_999_999]) {
      const { first, end, above, below } = windowOf(count, 46, top, 900);
      assert.equal(above + (end - first) * 46 + below, count * 46, `${count} at ${top}`);
      assert.ok(end - first <= 900 / 46 + 22, `${end - first} rows are drawn`);
      const seen = Math.floor(Math.max(0, top) / 46);
      if (top >= 0 && seen < count)
        assert.ok(first <= seen && seen < end, `row ${seen} of ${count} at ${top}`);
    }
  }
});
