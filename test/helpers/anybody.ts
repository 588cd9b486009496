import { type Caller, letAnybodyIn } from '../../src/rpc/caller.ts';

/** Who calls where no login is configured. */
export const ANYBODY: Caller = (await letAnybodyIn({
  authorization: undefined,
  session: undefined,
  address: '127.0.0.1',
  certificate: () => undefined,
}))!;
