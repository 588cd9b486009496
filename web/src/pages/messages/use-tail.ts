import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import { type Failure, failureOf } from '../../api/failures.ts';
import { toLogin } from '../../api/use-query.ts';
import { Follower, type FollowState } from './follower.ts';
import { Lines, Throughput } from './lines.ts';
import type { TailFilter } from './message-filter.ts';

const LAST = 50;

export interface Tail {
  readonly lines: Lines;
  readonly state: FollowState['state'];
  readonly failure: Failure | undefined;
  /** A second, of the last ones. */
  readonly rate: { readonly messages: number; readonly leftOut: number };
  /** Draws anew. */
  readonly redraw: () => void;
  /** Goes on after it was asked whether to. */
  readonly goOn: () => void;
}

/** The messages of an integration as they come, while the page is in sight. @param filter undefined: nothing is followed */
export function useTail(integrationId: string, filter: TailFilter | undefined): Tail {
  const [, setTurn] = useState(0);
  const redraw = () => setTurn((n) => n + 1);
  const key = JSON.stringify([integrationId, filter]);
  const kept = useMemo(() => ({ lines: new Lines(), throughput: new Throughput() }), [key]);
  const [state, setState] = useState<FollowState>({ state: 'connecting' });
  const follower = useRef<Follower | undefined>(undefined);
  useEffect(() => {
    if (!filter) return;
    const { lines, throughput } = kept;
    // The last ones are not of now.
    let isLive = false;
    const one = new Follower({
      watch: (signal) => api.messageLog.watchMessages({ integrationId, filter, last: LAST }, { signal }),
      now: () => Date.now(),
      later(callback, ms) {
        const timer = setTimeout(callback, ms);
        return () => clearTimeout(timer);
      },
      onResponse(response) {
        lines.add(response);
        if (isLive) throughput.add(Date.now(), response.messages.length, Number(response.leftOut));
        isLive ||= response.live;
        redraw();
      },
      onGap: (from, to) => lines.addGap(from, to),
      onState(next) {
        if (next.state === 'connecting') isLive = false;
        if (next.state === 'down' && failureOf(next.error).needsLogin) toLogin();
        setState(next);
      },
    });
    follower.current = one;
    const look = () => one.hide(document.visibilityState === 'hidden');
    look();
    one.begin();
    document.addEventListener('visibilitychange', look);
    return () => {
      document.removeEventListener('visibilitychange', look);
      one.end();
    };
  }, [key]);
  return {
    lines: kept.lines,
    state: state.state,
    failure: state.state === 'down' ? failureOf(state.error) : undefined,
    rate: kept.throughput.at(Date.now()),
    redraw,
    goOn: () => follower.current?.begin(),
  };
}
