/** A numbered message: the `n`th of its client. Client ids differ between integrations. */
export interface Message {
  readonly client: string;
  readonly n: number;
}

/** A message when a client sent it, or was told that it is safe. */
export interface Sent extends Message {
  /** Milliseconds of the test's monotonic clock. */
  readonly at: number;
}

/** A message that Kafka has. */
export interface Stored extends Message {
  readonly partition: number;
}

/** A message that the external system took. */
export interface Arrival extends Message {
  readonly integration: string;
  /** The executor that sent it. */
  readonly node: string;
  /** Milliseconds of the test's monotonic clock. */
  readonly at: number;
}

/** Something that keeps executors from committing what they delivered. */
export interface Fault {
  /** The executor that met it; unset: all of them. */
  readonly node?: string;
  readonly at: number;
  /** When it was over; a killed executor never comes back. */
  readonly until?: number;
}

/** A message that came once more, and when it had come before. */
export interface Repeat {
  readonly before: Arrival;
  readonly again: Arrival;
}

/**
 * What was delivered so many milliseconds before a fault may not be committed: executors commit each second, and the
 * commit takes its time on a busy machine.
 */
export const COMMIT_WINDOW = 1500;

/** Names a message. */
export const idOf = ({ client, n }: Message): string => `${client}/${n}`;

/** Acknowledged messages that never arrived. */
export function lost(acknowledged: readonly Message[], arrivals: readonly Message[]): readonly string[] {
  const arrived = new Set(arrivals.map(idOf));
  return acknowledged.map(idOf).filter((id) => !arrived.has(id));
}

/** Every arrival but the first of each message. */
export function repeats(arrivals: readonly Arrival[]): readonly Repeat[] {
  const last = new Map<string, Arrival>();
  const found: Repeat[] = [];
  for (const again of arrivals) {
    const before = last.get(idOf(again));
    if (before) found.push({ before, again });
    last.set(idOf(again), again);
  }
  return found;
}

/**
 * Without those of messages that Kafka itself has more than once, because it answered an ingress too late: an executor
 * delivers each of these, as it must.
 */
export function withoutCopies(repeated: readonly Repeat[], stored: readonly Message[]): readonly Repeat[] {
  const copies = new Map<string, number>();
  const firsts = new Set<string>();
  for (const message of stored) {
    const id = idOf(message);
    if (firsts.has(id)) copies.set(id, (copies.get(id) ?? 0) + 1);
    firsts.add(id);
  }
  return repeated.filter(({ again }) => {
    const left = copies.get(idOf(again)) ?? 0;
    if (left > 0) copies.set(idOf(again), left - 1);
    return left === 0;
  });
}

/** Those that are there for the first time, and after a later message of their client. */
export function outOfOrder<M extends Message>(messages: readonly M[]): readonly M[] {
  const seen = new Set<string>();
  const highest = new Map<string, number>();
  return messages.filter((one) => {
    if (seen.has(idOf(one))) return false;
    seen.add(idOf(one));
    const before = highest.get(one.client) ?? -1;
    highest.set(one.client, Math.max(before, one.n));
    return one.n < before;
  });
}

/** The same for what Kafka has, where only a partition has an order: a client's messages may have moved to another. */
export function storedOutOfOrder(stored: readonly Stored[]): readonly string[] {
  const byPartition = stored.map(({ client, n, partition }) => ({ client: `${client} in ${partition}`, n }));
  return outOfOrder(byPartition).map(idOf);
}

/** What Kafka has once more, each time. */
export function copies(stored: readonly Message[]): readonly string[] {
  const seen = new Set<string>();
  return stored.map(idOf).filter((id) => seen.has(id) || !seen.add(id));
}

/** Copies that no client sent: Kafka has the message more often than it was sent. */
export function unsent(copied: readonly string[], resent: readonly Message[]): readonly string[] {
  const left = new Map<string, number>();
  for (const message of resent) left.set(idOf(message), (left.get(idOf(message)) ?? 0) + 1);
  return copied.filter((id) => {
    left.set(id, (left.get(id) ?? 0) - 1);
    return left.get(id)! < 0;
  });
}

/** How many messages were on their way at some time of each fault, unacknowledged: so many may be copied. */
export function unacknowledged(
  sent: readonly Sent[],
  acknowledged: readonly Sent[],
  faults: readonly Fault[],
): number {
  const safe = new Map(acknowledged.map((one) => [idOf(one), one.at]));
  const during = (one: Sent, { at, until = Number.POSITIVE_INFINITY }: Fault) =>
    one.at <= until && (safe.get(idOf(one)) ?? Number.POSITIVE_INFINITY) > at;
  return faults.reduce((sum, fault) => sum + sent.filter((one) => during(one, fault)).length, 0);
}

/** Whether a fault may have kept this delivery from being committed. */
const isUncommitted = ({ node, at }: Arrival, fault: Fault): boolean =>
  (fault.node ?? node) === node &&
  at > fault.at - COMMIT_WINDOW &&
  at <= (fault.until ?? Number.POSITIVE_INFINITY);

/** Repeats of what had been delivered, and committed long since, before any fault, or that no fault explains at all. */
export function unexplained(repeated: readonly Repeat[], faults: readonly Fault[]): readonly Repeat[] {
  return repeated.filter(({ before, again }) =>
    faults.every((fault) => !isUncommitted(before, fault) || again.at < fault.at),
  );
}

/**
 * How many messages may come twice: for each fault, and each integration that the executor had, a window in flight and
 * what was delivered since the last commit.
 */
export function repeatsAllowed(
  arrivals: readonly Arrival[],
  faults: readonly Fault[],
  maxInFlight: number,
): number {
  let allowed = 0;
  for (const fault of faults) {
    const uncommitted = arrivals.filter((one) => isUncommitted(one, fault));
    const hit = new Set(uncommitted.map(({ integration }) => integration));
    allowed += hit.size * maxInFlight + uncommitted.length;
  }
  return allowed;
}

/** How long each integration took, from a moment on, until another executor than `except` delivered for it. */
export function recoveries(
  arrivals: readonly Arrival[],
  integrations: readonly string[],
  from: number,
  except?: string,
): ReadonlyMap<string, number> {
  const first = new Map(integrations.map((integration) => [integration, Number.POSITIVE_INFINITY]));
  for (const { integration, node, at } of arrivals) {
    if (at <= from || node === except) continue;
    first.set(integration, Math.min(first.get(integration) ?? at, at - from));
  }
  return first;
}

/** The longest pause between two arrivals of an integration in this time, its borders included. */
export function longestGap(
  arrivals: readonly Arrival[],
  integration: string,
  from: number,
  to: number,
): number {
  let longest = 0;
  let last = from;
  for (const one of arrivals) {
    if (one.integration !== integration || one.at < from || one.at > to) continue;
    longest = Math.max(longest, one.at - last);
    last = one.at;
  }
  return Math.max(longest, to - last);
}

/** The executors that delivered for an integration in this time, in the order they did. */
export function ownersOf(
  arrivals: readonly Arrival[],
  integration: string,
  from: number,
  to: number,
): readonly string[] {
  const owners: string[] = [];
  for (const one of arrivals) {
    if (one.integration !== integration || one.at < from || one.at > to) continue;
    if (owners.at(-1) !== one.node) owners.push(one.node);
  }
  return owners;
}
