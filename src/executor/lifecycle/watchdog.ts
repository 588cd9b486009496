/** How far an integration is on this executor: counts since it was started here, and what is between them. */
export interface Progress {
  /** Messages taken from Kafka. */
  readonly taken: number;
  /** Messages acknowledged: delivered, kept as dead letters or skipped. */
  readonly settled: number;
  /** Messages taken and not settled. */
  readonly inFlight: number;
}

/** What is known of the progress of an integration. Times are of a monotonic clock, in milliseconds. */
export interface Watch {
  readonly progress: Progress;
  /** Since when messages have been waiting for an acknowledgement of any of them. */
  readonly unsettledSince: number;
  /** Since when nothing was taken, while nothing was in flight; after a look at Kafka, since that. */
  readonly idleSince: number;
  /** It was found to make no progress, and makes none yet. */
  readonly isStalled: boolean;
  /** The last look at Kafka, since which nothing was taken, found messages there. */
  readonly hasBacklog: boolean;
  /** Since when Kafka, asked again and again, has not told whether it has messages; undefined: it did, or was not asked. */
  readonly unansweredSince: number | undefined;
}

/**
 * `stalled`: messages wait here, and for the timeout none was acknowledged; told once. `resumed`: the end of that. `idle`:
 * nothing came for so long that it is time to look whether Kafka has messages all the same.
 */
export type Finding = 'stalled' | 'resumed' | 'idle' | undefined;

export function newWatch(progress: Progress, now: number): Watch {
  const times = { unsettledSince: now, idleSince: now, unansweredSince: undefined };
  return { progress, ...times, isStalled: false, hasBacklog: false };
}

/** What the progress since the last look means. An integration that has nothing to do is never stalled. */
export function look(
  before: Watch,
  progress: Progress,
  now: number,
  timeout: number,
): { readonly watch: Watch; readonly finding: Finding } {
  const last = before.progress;
  const hasSettled = progress.settled !== last.settled;
  const waits = progress.inFlight > 0;
  const unsettledSince = hasSettled || !waits || last.inFlight === 0 ? now : before.unsettledSince;
  const isIdle = !waits && last.inFlight === 0 && progress.taken === last.taken;
  const idleSince = isIdle ? before.idleSince : now;
  const hasBacklog = isIdle && before.hasBacklog;
  const unansweredSince = isIdle ? before.unansweredSince : undefined;
  const watch = { ...before, progress, unsettledSince, idleSince, hasBacklog, unansweredSince };
  const isCutOff = hasBacklog || unansweredSince !== undefined;
  if (before.isStalled && (hasSettled || (!waits && !isCutOff))) {
    return { watch: { ...watch, isStalled: false }, finding: 'resumed' };
  }
  if (!before.isStalled && now - unsettledSince >= timeout) {
    return { watch: { ...watch, isStalled: true }, finding: 'stalled' };
  }
  // What was found once is looked at again sooner; what Kafka did not answer, at once.
  const isTime = unansweredSince !== undefined || now - idleSince >= (hasBacklog ? timeout / 2 : timeout);
  return { watch, finding: isTime ? 'idle' : undefined };
}

/**
 * What it means that Kafka has so many messages while none comes. One look is not enough: they may just have been
 * written. `isSilent`: two looks saw some, and nothing came in between, so nothing will.
 */
export function lookAtBacklog(
  before: Watch,
  backlog: number,
  now: number,
): { readonly watch: Watch; readonly isSilent: boolean } {
  const hasBacklog = backlog > 0;
  const watch = { ...before, idleSince: now, hasBacklog, unansweredSince: undefined };
  return { watch, isSilent: hasBacklog && before.hasBacklog };
}

/**
 * What it means that Kafka does not tell whether it has messages while none comes. `isStalled`: it is known to have some
 * (`lag`) and was asked twice, for a leader may just be elected; or it does not tell for the timeout. Told once.
 */
export function lookInVain(
  before: Watch,
  lag: number,
  now: number,
  timeout: number,
): { readonly watch: Watch; readonly isStalled: boolean } {
  const { isStalled: wasStalled, unansweredSince = now } = before;
  const isKnown = lag > 0 && before.unansweredSince !== undefined;
  const isStalled = !wasStalled && (isKnown || now - unansweredSince >= timeout);
  const watch = { ...before, hasBacklog: false, unansweredSince, isStalled: wasStalled || isStalled };
  return { watch, isStalled };
}
