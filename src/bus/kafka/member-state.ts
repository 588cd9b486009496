/** Without a heartbeat for so long, Kafka gives a member's partitions to others. Milliseconds. */
export const SESSION = 6000;
/** How long Kafka waits for each member to join anew, and then to ask for what it gets. Who does not is a member no more. */
export const REBALANCE = 10_000;
/** For what is begun just before the lease ends. */
const MARGIN = 2000;

/** What a member is to its group, as far as it can tell. */
export type MemberState = Nobody | Member;

interface Nobody {
  readonly kind: 'nobody';
}

/**
 * `joining`: it joins anew, `stale`: with something that it has no more; `joined`: it has what it was assigned, `due`: and is
 * to join anew. Times are of the lease clock.
 */
export interface Member {
  readonly kind: 'joining' | 'stale' | 'joined' | 'due';
  readonly memberId: string;
  readonly generation: number;
  /** Its session began anew then, or later. */
  readonly heard: number;
  /** What Kafka may be waiting for, of this member, it waits for since then, or later. */
  readonly steady: number;
}

/** What becomes of it: what the member does, what it has no more, or what Kafka answers it. */
type Turn = 'joins' | 'changed' | 'assigned' | Answer;
/** To a heartbeat. */
type Answer = 'alive' | 'rebalancing' | 'outdated' | 'unknown';

export type News =
  | { readonly kind: 'joins' | 'changed' | 'unknown' }
  | { readonly kind: 'accepted'; readonly memberId: string; readonly generation: number }
  /** `sent`: when Kafka was asked. */
  | { readonly kind: 'assigned' | Answer; readonly memberId: string; readonly sent: number };

/** By Kafka's errors. */
export const ANSWERS: ReadonlyMap<string | undefined, Answer> = new Map([
  ['REBALANCE_IN_PROGRESS', 'rebalancing'],
  ['ILLEGAL_GENERATION', 'outdated'],
  ['UNKNOWN_MEMBER_ID', 'unknown'],
]);

export const NOBODY: Nobody = { kind: 'nobody' };

const NEXT: { readonly [K in Member['kind']]: { readonly [T in Turn]?: Member['kind'] } } = {
  joining: { changed: 'stale', assigned: 'joined' },
  stale: { joins: 'joining', assigned: 'due' },
  joined: { changed: 'due', rebalancing: 'due', outdated: 'due' },
  due: { joins: 'joining' },
};

/** What it is after that. What was said to another member, which it was, changes nothing. */
export function stateAfter(state: MemberState, news: News): MemberState {
  if (news.kind === 'accepted') return acceptedAs(state, news);
  if (state.kind === 'nobody' || ('memberId' in news && news.memberId !== state.memberId)) return state;
  if (news.kind === 'unknown') return NOBODY;
  const kind = NEXT[state.kind][news.kind] ?? state.kind;
  if (!('sent' in news) || news.kind === 'outdated') return { ...state, kind };
  const heard = Math.max(state.heard, news.sent);
  // While it joins, a heartbeat may be well although Kafka still waits for it.
  const isSteady = news.kind !== 'rebalancing' && (kind === 'joined' || kind === 'due');
  return { ...state, kind, heard, steady: isSteady ? Math.max(state.steady, news.sent) : state.steady };
}

/** With a new generation Kafka waits anew; before that it has heard what it answered to the one before. */
function acceptedAs(state: MemberState, { memberId, generation }: News & { kind: 'accepted' }): Member {
  if (state.kind === 'nobody' || state.memberId !== memberId) {
    const never = Number.NEGATIVE_INFINITY;
    return { kind: 'joining', memberId, generation, heard: never, steady: never };
  }
  const { heard, steady } = state;
  return { ...state, generation, steady: generation === state.generation ? steady : Math.max(heard, steady) };
}

/** Until then Kafka gives nothing of what it has to others: also if nothing that it says reaches Kafka any more. */
export function leaseEnd(state: MemberState): number {
  if (state.kind === 'nobody') return Number.NEGATIVE_INFINITY;
  return Math.min(state.heard + SESSION, state.steady + REBALANCE) - MARGIN;
}
