import { createHash } from 'node:crypto';
import { type Cost, Passwords } from '../../src/control-plane/access/passwords.ts';
import { systemClock } from '../../src/runtime/clock.ts';

/** Passwords that are hashed cheaply, and how often and at which cost that was asked for. */
export function countedPasswords() {
  const counted = {
    costs: [] as Cost[],
    /** What a hash waits for. */
    before: async () => {},
  };
  const passwords = new Passwords(systemClock, async (password, salt, cost) => {
    counted.costs.push(cost);
    await counted.before();
    return createHash('sha256').update(salt).update(password).digest();
  });
  return { counted, passwords };
}
