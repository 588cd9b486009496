import type { TestContext } from 'node:test';

const stacks = new WeakMap<TestContext, AsyncDisposableStack>();

/** Cleans up after the test, what came last first: a server stops before its directory goes. */
export function onEnd(t: TestContext, cleanUp: () => unknown): void {
  let stack = stacks.get(t);
  if (!stack) {
    const fresh = new AsyncDisposableStack();
    t.after(() => fresh.disposeAsync());
    stacks.set(t, fresh);
    stack = fresh;
  }
  stack.defer(async () => {
    await cleanUp();
  });
}
