import type { Clock } from '../runtime/clock.ts';
import { withDeadline } from '../runtime/deadline.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import { type Bus, BusError, type Feed, type IncomingRecord } from './bus.ts';
import type { Topics } from './topics.ts';

/** How often Kafka's clock is looked at, and how long one look may take, in milliseconds. */
const INTERVAL = 10_000;
const DEADLINE = 5000;
/** At the start: the first one opens connections. */
const FIRST_LOOKS = 3;
/** How far two clocks may drift apart within an interval, in milliseconds: 200 millionths. */
const DRIFT = 2;

interface Deps {
  readonly bus: Pick<Bus, 'createTopics' | 'send' | 'feed'>;
  readonly topics: Pick<Topics, 'clock'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Names this run of the process among all. */
  readonly key: string;
}

/** What Kafka's time surely is, as so much more than the monotonic clock's. */
interface Offset {
  readonly least: number;
  readonly most: number;
  /** For how long the machine was suspended until then, in all. */
  readonly suspended: number;
}

/** The time of Kafka, which all nodes share, however wrong their own clocks are. */
export interface KafkaClock extends Disposable {
  /** Never ahead of Kafka's, and behind it by less than a look at it takes. To tell how old messages are. */
  readonly earliest: Clock;
  /** Never behind Kafka's, and ahead of it by less than a look at it takes. To say when messages came. */
  readonly latest: Clock;
}

/**
 * Resolves when Kafka's time is known, or cannot be had within some seconds: until it is, a node goes by its own clock. Kafka
 * writes its time to the records of a topic, and each node looks at those that it sent itself.
 */
export async function startKafkaClock(deps: Deps): Promise<KafkaClock> {
  const { clock } = deps;
  const looks = new Looks(deps);
  await looks.start();
  return {
    earliest: { ...viewOf(clock), now: () => looks.earliest() },
    latest: { ...viewOf(clock), now: () => looks.latest() },
    [Symbol.dispose]: () => looks[Symbol.dispose](),
  };
}

/** All of a clock, whatever it is an object of. */
const viewOf = (clock: Clock): Omit<Clock, 'now'> => ({
  monotonic: () => clock.monotonic(),
  lease: () => clock.lease(),
  setTimer: (callback, ms, options) => clock.setTimer(callback, ms, options),
  sleep: (ms, signal) => clock.sleep(ms, signal),
});

class Looks implements Disposable {
  readonly #deps: Deps;
  readonly #stop = new AbortController();
  #offset: Offset | undefined;
  #looking: Promise<void> | undefined;
  #feed: Feed | undefined;
  #hasFailed = false;
  /** What was sent last, and when Kafka wrote it. */
  #nonce = 0;
  #written = Promise.withResolvers<number>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async start(): Promise<void> {
    for (let i = 0; i < FIRST_LOOKS && !this.#hasFailed; i++) await this.#look();
    void this.#goOn();
  }

  earliest(): number {
    const { clock } = this.#deps;
    return this.#offset ? Math.floor(clock.monotonic() + this.#offset.least) : clock.now();
  }

  latest(): number {
    const { clock } = this.#deps;
    if (!this.#offset) return clock.now();
    const { most, suspended } = this.#offset;
    const now = clock.lease();
    if (now - clock.monotonic() - suspended > 1) void this.#look(); // it was suspended, or its clock set
    return Math.ceil(now - suspended + most);
  }

  async #goOn(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#deps.clock.sleep(INTERVAL, signal).catch(() => {});
      if (!signal.aborted) await this.#look();
    }
  }

  #look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const { clock, logger } = this.#deps;
    const { signal } = this.#stop;
    try {
      if (!this.#feed) await withDeadline(clock, DEADLINE, 'making a topic', this.#follow(), signal);
      const seen = await withDeadline(clock, DEADLINE, "asking for Kafka's time", this.#see(), signal);
      this.#offset = narrowed(this.#offset, seen);
      this.#hasFailed = false;
    } catch (error) {
      if (error instanceof BusError && error.reason === 'unknown-topic') this.#unfollow(); // it is made anew
      if (this.#hasFailed || this.#stop.signal.aborted) return;
      this.#hasFailed = true;
      const fields = { isKnown: this.#offset !== undefined, error: messageOf(error) };
      logger.warn(
        "Kafka's time cannot be read: what was known of it goes on, or this node's own clock",
        fields,
      );
    }
  }

  async #follow(): Promise<void> {
    const { bus, topics } = this.#deps;
    await bus.createTopics([topics.clock]);
    if (this.#stop.signal.aborted) return;
    const take = (record: IncomingRecord) => this.#take(record);
    this.#feed ??= bus.feed({ topic: topics.clock.name, partition: 0, from: 0, take });
  }

  #unfollow(): void {
    this.#feed?.[Symbol.dispose]();
    this.#feed = undefined;
  }

  async #see(): Promise<Offset> {
    const { bus, topics, clock, key } = this.#deps;
    const value = Buffer.from(String(++this.#nonce));
    this.#written = Promise.withResolvers();
    const sent = clock.monotonic();
    const suspended = clock.lease() - sent;
    const acknowledged = bus.send(topics.clock.name, { key, value }).then(() => clock.monotonic());
    const [end, time] = await Promise.all([acknowledged, this.#written.promise]);
    return { least: time - end, most: time + 1 - sent, suspended };
  }

  #take({ key, value, timestamp }: IncomingRecord): true {
    const isOwn = key === this.#deps.key && value !== null;
    if (isOwn && Buffer.from(value).toString() === String(this.#nonce)) this.#written.resolve(timestamp);
    return true;
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new Error('the process stops'));
    this.#unfollow();
  }
}

/** What is known after one more look. Where it cannot be both, a clock was set, or stood still: the newer one holds. */
function narrowed(known: Offset | undefined, seen: Offset): Offset {
  if (!known || Math.abs(known.suspended - seen.suspended) > 1) return seen;
  const least = Math.max(seen.least, known.least - DRIFT);
  const most = Math.min(seen.most, known.most + DRIFT);
  return least <= most ? { ...seen, least, most } : seen;
}
