import { type Logger, messageOf } from '../../runtime/logger.ts';
import { BusError, type Claim, type CommittedOffset } from '../bus.ts';

interface Owner {
  readonly logger: Logger;
  /** What the group calls this member. */
  memberId(): string;
  holdsLease(): boolean;
  /** `isOver`: the claim is, and the offsets may not be committed any more. */
  commit(offsets: readonly CommittedOffset[], isOver: () => boolean): Promise<void>;
  onGained(claim: Claim): void;
  onLost(claim: Claim): Promise<void>;
  /** A claim was given back: the group is to know. */
  released(): void;
}

class PartitionClaim implements Claim {
  readonly topic: string;
  readonly partition: number;
  readonly member: string;
  state: 'held' | 'releasing' | 'over' = 'held';
  /** Resolves when it is let go of. */
  released: Promise<void> | undefined;
  readonly #owner: Owner;

  constructor(name: string, owner: Owner) {
    const slash = name.lastIndexOf('/');
    this.topic = name.slice(0, slash);
    this.partition = Number(name.slice(slash + 1));
    this.member = owner.memberId();
    this.#owner = owner;
  }

  get isOver(): boolean {
    return this.state === 'over';
  }

  isHeld(): boolean {
    return !this.isOver && this.#owner.holdsLease();
  }

  async commit(offsets: readonly CommittedOffset[]): Promise<void> {
    if (this.isOver) throw new BusError('failed', `not committed: ${this.topic} is lost`);
    await this.#owner.commit(offsets, () => this.isOver);
  }
}

/** What a member of a group has. What it loses it keeps until it has finished with it. */
export class Claims {
  readonly #owner: Owner;
  readonly #claims = new Map<string, PartitionClaim>();
  #assigned: ReadonlySet<string> = new Set();

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  /** What nobody else may have, as `topic/partition`. */
  get names(): readonly string[] {
    return [...this.#claims.keys()];
  }

  /** The group has assigned these. */
  assign(names: readonly string[]): void {
    this.#assigned = new Set(names);
    for (const [name, claim] of this.#claims) {
      if (!this.#assigned.has(name)) void this.#released(name, claim);
    }
    for (const name of names) if (!this.#claims.has(name)) this.#gain(name);
  }

  #gain(name: string): void {
    const claim = new PartitionClaim(name, this.#owner);
    this.#claims.set(name, claim);
    this.#owner.onGained(claim);
  }

  #released(name: string, claim: PartitionClaim): Promise<void> {
    claim.released ??= this.#release(name, claim);
    return claim.released;
  }

  async #release(name: string, claim: PartitionClaim): Promise<void> {
    claim.state = 'releasing';
    await this.#end(claim);
    if (this.#claims.get(name) !== claim) return;
    claim.state = 'over';
    this.#claims.delete(name);
    if (this.#assigned.has(name)) this.#gain(name);
    else this.#owner.released();
  }

  async #end(claim: Claim): Promise<void> {
    const { topic, partition } = claim;
    try {
      await this.#owner.onLost(claim);
    } catch (error) {
      this.#owner.logger.error('a partition was not left cleanly', {
        topic,
        partition,
        error: messageOf(error),
      });
    }
  }

  /** Everything is lost already: others may have it. */
  forfeit(): void {
    this.#assigned = new Set();
    for (const claim of this.#claims.values()) {
      const { state } = claim;
      claim.state = 'over';
      if (state === 'held') void this.#end(claim);
    }
    this.#claims.clear();
  }

  /** Gives everything back. */
  async releaseAll(): Promise<void> {
    this.#assigned = new Set();
    await Promise.all([...this.#claims].map(([name, claim]) => this.#released(name, claim)));
  }
}
