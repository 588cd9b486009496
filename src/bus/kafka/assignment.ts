/** A member of a group, as its leader sees it. */
export interface Member {
  readonly id: string;
  readonly topics: ReadonlySet<string>;
  /** What it has now, as `topic/partition`. */
  readonly claims: ReadonlySet<string>;
}

export interface Topic {
  readonly name: string;
  readonly partitions: number;
}

/**
 * Which member gets which partitions, by member, as `topic/partition`: evenly by topic and in all, and each keeps what it
 * has as far as that allows. What has to move is given to nobody as long as a member still claims it: that one first
 * finishes what it began, and then the group is assigned anew (as Kafka's cooperative sticky assignor does, KIP-429).
 */
export function assign(topics: readonly Topic[], members: readonly Member[]): ReadonlyMap<string, string[]> {
  const assigned = new Map<string, string[]>(members.map(({ id }) => [id, []]));
  for (const topic of topics) assignTopic(topic, members, assigned);
  return assigned;
}

function assignTopic(
  { name, partitions }: Topic,
  members: readonly Member[],
  assigned: ReadonlyMap<string, string[]>,
): void {
  const owners = members.filter(({ topics }) => topics.has(name));
  if (owners.length === 0) return;
  const all = Array.from({ length: partitions }, (_, partition) => `${name}/${partition}`);
  const claimed = new Map<string, string>();
  for (const partition of all) {
    const claimant = members.find(({ claims }) => claims.has(partition));
    if (claimant) claimed.set(partition, claimant.id);
  }
  const claimsOf = (id: string) => all.filter((partition) => claimed.get(partition) === id);
  const loadOf = (id: string) => assigned.get(id)!.length;
  // Who has most, and then who has least of other topics, gets one of those that are left over.
  const ranked = owners
    .map(({ id }) => ({ id, claims: claimsOf(id) }))
    .sort(
      (a, b) => b.claims.length - a.claims.length || loadOf(a.id) - loadOf(b.id) || (a.id < b.id ? -1 : 1),
    );
  const free = all.filter((partition) => !claimed.has(partition));
  for (const [rank, { id, claims }] of ranked.entries()) {
    const quota = Math.floor(partitions / owners.length) + (rank < partitions % owners.length ? 1 : 0);
    const kept = claims.slice(0, quota);
    assigned.get(id)!.push(...kept, ...free.splice(0, quota - kept.length));
  }
}
