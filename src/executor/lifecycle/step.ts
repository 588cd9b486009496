import { LifecycleAction } from '../../../gen/penstock/v1/uplink_pb.ts';
import { fingerprint } from '../../contract/fingerprint.ts';
import type { Instance, Wish } from './instance.ts';
import type { ProgressWatch } from './progress-watch.ts';

/** What there is of an integration's part on this executor. */
export type State = None | Down | Running;

/** Nothing runs, and nothing is said to. */
interface None {
  readonly kind: 'none';
}

/** Nothing runs, but something was said to, or to fail: a stop takes it back. */
interface Down {
  readonly kind: 'down';
  /** What that was said of; undefined: nothing yet. */
  readonly told: Wish | undefined;
  /** Starts in a row that failed; and those that failed because of Kafka since the last other one. */
  readonly failures: number;
  readonly waits: number;
  /** Whether the last one failed because of Kafka. */
  readonly isKafkas: boolean;
  /** What was told is not tried again by itself. */
  readonly isFinal: boolean;
}

interface Running {
  readonly kind: 'running';
  readonly instance: Instance;
  readonly watch: ProgressWatch;
  /** What it runs. */
  wish: Wish;
  /** Why it is to be started anew, although nothing has changed. */
  renewal: string | undefined;
}

export const NEVER_FAILED: Down = {
  kind: 'down',
  told: undefined,
  failures: 0,
  waits: 0,
  isKafkas: false,
  isFinal: false,
};

/** Start this, after what runs has stopped. */
export interface Start {
  readonly kind: 'start';
  readonly wish: Wish;
  /** What it is, and why it is made, for people. */
  readonly action: LifecycleAction;
  readonly reason: string;
}

/** Stop what runs; `wish` is disabled, or there is none any more. */
export interface Stop {
  readonly kind: 'stop';
  readonly wish: Wish | undefined;
}

/** Say that what runs is of this generation: it does not see the change. */
interface Note {
  readonly kind: 'note';
  readonly wish: Wish;
}

/** The next step from what is to what is wanted; undefined: it is as wanted. */
export function stepOf({
  wish,
  state,
}: {
  readonly wish: Wish | undefined;
  readonly state: State;
}): Start | Stop | Note | undefined {
  if (!wish?.integration.enabled) return state.kind === 'none' ? undefined : { kind: 'stop', wish };
  const { RESTARTED, STARTED, UPDATED } = LifecycleAction;
  const start = (action: LifecycleAction, reason: string): Start => ({ kind: 'start', wish, action, reason });
  switch (state.kind) {
    case 'none':
      return start(STARTED, '');
    case 'down':
      if (state.isFinal && state.told === wish) return undefined;
      return start(
        STARTED,
        !state.isFinal && state.failures + state.waits > 0 ? 'started after failures' : '',
      );
    case 'running':
      if (state.renewal !== undefined) return start(RESTARTED, state.renewal);
      if (!needsStart(state, wish)) {
        return state.instance.generation < wish.integration.generation ? { kind: 'note', wish } : undefined;
      }
      return wish.integration.restarts > state.wish.integration.restarts
        ? start(RESTARTED, 'restarted by a user')
        : start(UPDATED, '');
  }
}

/** What runs has its secrets, also those that its wish had no keys for when it came. */
const needsStart = ({ instance, wish: running }: Running, wish: Wish) =>
  running !== wish &&
  (running.claim !== wish.claim ||
    running.topicIncarnation !== wish.topicIncarnation ||
    instance.fingerprint !== fingerprint(wish.integration));
