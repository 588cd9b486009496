import type { Clock } from '../runtime/clock.ts';
import type { CallContext } from './service.ts';

/** How soon a stream ends whose caller is let in no more, in milliseconds. */
const INTERVAL = 5000;

/**
 * Looks again and again whether the caller of a stream is still let in, as the same: a token may be revoked, a session over, a role
 * taken. Aborts when it is not. While that cannot be known, the stream goes on.
 */
export function watchLogin(
  { isLetIn }: Pick<CallContext, 'isLetIn'>,
  clock: Clock,
): Disposable & { readonly signal: AbortSignal } {
  const over = new AbortController();
  let isWatching = true;
  let cancel = () => {};
  const look = async () => {
    if (!(await isLetIn().catch(() => true))) over.abort(new Error('the caller is let in no more'));
    else if (isWatching) cancel = clock.setTimer(look, INTERVAL, { unref: true });
  };
  cancel = clock.setTimer(look, INTERVAL, { unref: true });
  return {
    signal: over.signal,
    [Symbol.dispose]() {
      isWatching = false;
      cancel();
    },
  };
}
