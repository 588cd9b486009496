interface Item {
  readonly key: string | null;
  /** Grows from item to item as they are added. */
  readonly number: number;
}

/** The items of one key. */
class Lane<T> {
  /** In the order they were added, but for those that are out. */
  readonly waiting: T[] = [];
  /** Taken, and neither settled nor put back. */
  out = 0;
  /** One of those that are out is to leave again: nothing leaves until all of them are settled or back. */
  isStalled = false;
  /** Of those that are out, so many hold back all that has not left. */
  held = 0;
  /** Whether it is among those that are ready. */
  isReady = false;
}

/**
 * Keeps the order within each key: the next item of a lane may leave when nothing of it is out, or right behind what is
 * taken for the same pack; where the lanes are abreast, also while what came before is out, until that is to leave again or
 * holds its lane. Items without a key have no lane.
 */
export class Lanes<T extends Item> {
  readonly #areAbreast: boolean;
  readonly #lanes = new Map<string, Lane<T>>();
  /** Those that hold their lanes. */
  readonly #held = new Set<T>();
  /** Lanes of which an item may leave, and items without a key. */
  #ready: (Lane<T> | T)[] = [];
  /** Taken from the front of `#ready` and dropped now and then: shifting an array one by one is dear. */
  #taken = 0;
  #heads = 0;
  #available = 0;

  constructor(areAbreast: boolean) {
    this.#areAbreast = areAbreast;
  }

  /** Lanes that have something, and items without a key. */
  get heads(): number {
    return this.#heads;
  }

  /** Items that may leave, each of a lane of its own. */
  get ready(): number {
    return this.#ready.length - this.#taken;
  }

  /** Items that may leave, with those right behind them. */
  get available(): number {
    return this.#available;
  }

  add(item: T): void {
    const { key } = item;
    if (key === null) {
      this.#heads++;
      this.#addReady(item);
      return;
    }
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = new Lane();
      this.#lanes.set(key, lane);
      this.#heads++;
    }
    lane.waiting.push(item);
    if (lane.isReady) this.#available++;
    else this.#open(lane);
  }

  /** An item without a key. */
  #addReady(item: T, isFirst = false): void {
    this.#available++;
    this.#line(item, isFirst);
  }

  /** Makes a lane ready that has something and may. */
  #open(lane: Lane<T>, isFirst = false): void {
    if (lane.waiting.length === 0 || (lane.out > 0 && !this.#mayFollow(lane))) return;
    lane.isReady = true;
    this.#available += lane.waiting.length;
    this.#line(lane, isFirst);
  }

  #line(one: Lane<T> | T, isFirst: boolean): void {
    if (isFirst) this.#ready.splice(this.#taken, 0, one);
    else this.#ready.push(one);
  }

  /** Whether an item may leave while others of its lane are out. */
  #mayFollow(lane: Lane<T>): boolean {
    return this.#areAbreast && !lane.isStalled && lane.held === 0;
  }

  /** The item that `take` would answer. */
  get next(): T | undefined {
    const first = this.#ready[this.#taken];
    return first instanceof Lane ? first.waiting[0] : first;
  }

  /** The next item that may leave. */
  take(): T | undefined {
    const first = this.#ready[this.#taken];
    if (first === undefined) return undefined;
    this.#taken++;
    if (this.#taken === this.#ready.length) {
      this.#ready = [];
      this.#taken = 0;
    } else if (this.#taken > 1024) {
      this.#ready = this.#ready.slice(this.#taken);
      this.#taken = 0;
    }
    if (!(first instanceof Lane)) {
      this.#available--;
      return first;
    }
    first.isReady = false;
    this.#available -= first.waiting.length;
    const item = takeFrom(first);
    if (this.#areAbreast) this.#open(first); // behind all others
    return item;
  }

  /** The item right behind those of its lane that are out, for the pack that they are taken for. */
  behind({ key }: T): T | undefined {
    return key === null ? undefined : this.#lanes.get(key)?.waiting[0];
  }

  takeBehind({ key }: T): void {
    if (key !== null) takeFrom(this.#lanes.get(key)!);
  }

  /** An item that was taken is to leave again; until it is put back, nothing of its lane leaves. */
  stall({ key }: T): void {
    const lane = key === null ? undefined : this.#lanes.get(key);
    if (lane) this.#stall(lane);
  }

  /** Nothing more of its lane leaves before this item, which was taken, is settled; what is out is not touched by it. */
  hold(item: T): void {
    const lane = item.key === null ? undefined : this.#lanes.get(item.key);
    if (!lane) return;
    this.#held.add(item);
    lane.held++;
    this.#close(lane);
  }

  /** Whether an item of this one's lane is to leave again, and not all that was out with it is settled or back. */
  isStalled({ key }: T): boolean {
    return key !== null && this.#lanes.get(key)?.isStalled === true;
  }

  #stall(lane: Lane<T>): void {
    lane.isStalled = true;
    this.#close(lane);
  }

  #close(lane: Lane<T>): void {
    if (!lane.isReady) return;
    lane.isReady = false;
    this.#available -= lane.waiting.length;
    this.#ready.splice(this.#ready.indexOf(lane, this.#taken), 1);
  }

  /**
   * Puts an item back that was taken: it leaves again, before those of its lane that were added later.
   * @param isFirst whether also before all other lanes
   */
  again(item: T, isFirst = false): void {
    const { key } = item;
    if (key === null) {
      this.#addReady(item, isFirst);
      return;
    }
    const lane = this.#lanes.get(key)!;
    this.#stall(lane);
    const later = lane.waiting.findIndex(({ number }) => number > item.number);
    lane.waiting.splice(later === -1 ? lane.waiting.length : later, 0, item);
    this.#isBack(lane, key, isFirst);
  }

  /** An item that was taken is settled. */
  done(item: T): void {
    const { key } = item;
    const lane = key === null ? undefined : this.#lanes.get(key);
    if (!lane) {
      this.#heads--;
      return;
    }
    if (this.#held.delete(item)) lane.held--;
    this.#isBack(lane, key!);
  }

  #isBack(lane: Lane<T>, key: string, isFirst = false): void {
    lane.out--;
    if (lane.out === 0) {
      lane.isStalled = false;
      if (lane.waiting.length === 0) {
        this.#lanes.delete(key);
        this.#heads--;
      }
    }
    if (!lane.isReady) this.#open(lane, isFirst);
  }
}

function takeFrom<T>(lane: Lane<T>): T {
  lane.out++;
  return lane.waiting.shift()!;
}
