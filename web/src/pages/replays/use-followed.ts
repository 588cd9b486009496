import { useEffect, useState } from 'preact/hooks';
import { type Replay, ReplayState } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { type Failure, failureOf } from '../../api/failures.ts';
import { toLogin } from '../../api/use-query.ts';

/** A running replay is asked for so often, in milliseconds. */
const OFTEN = 2000;

/** A replay as it is now, until it ends. @param listed as the list had it */
export function useFollowed(listed: Replay): {
  readonly replay: Replay;
  /** It cannot be asked for: what is shown is of before. */
  readonly failure: Failure | undefined;
  readonly take: (replay: Replay | undefined) => void;
} {
  const [newest, setNewest] = useState<{ readonly of: Replay; readonly replay: Replay }>();
  const [failure, setFailure] = useState<Failure>();
  const replay = newest?.of === listed ? newest.replay : listed;
  const take = (next: Replay | undefined) => next && setNewest({ of: listed, replay: next });
  const isRunning = replay.state === ReplayState.RUNNING;
  useEffect(() => {
    if (!isRunning) return;
    const left = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const ask = async () => {
      if (document.hidden) {
        timer = setTimeout(ask, OFTEN);
        return;
      }
      try {
        const answer = await api.replays.getReplay({ id: listed.id }, { signal: left.signal });
        if (left.signal.aborted) return;
        setFailure(undefined);
        take(answer.replay);
      } catch (error) {
        if (left.signal.aborted) return;
        const failed = failureOf(error);
        if (failed.needsLogin) return toLogin();
        setFailure(failed);
      }
      timer = setTimeout(ask, OFTEN);
    };
    timer = setTimeout(ask, OFTEN);
    return () => {
      left.abort();
      clearTimeout(timer);
    };
  }, [listed, isRunning]);
  return { replay, failure, take };
}
