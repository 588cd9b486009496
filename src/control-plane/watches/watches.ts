import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { failed } from '../../rpc/error.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Queries } from '../store/database.ts';
import { EventFeed } from './event-feed.ts';
import { IntegrationFeed } from './integration-feed.ts';
import { JobFeed } from './job-feed.ts';
import { NODE_INTERVAL, NodeFeed } from './node-feed.ts';
import { SharedFeed } from './shared-feed.ts';
import { MAX_ABSENCE, tooSlow } from './slow-reader.ts';

/** Each takes memory for its stream, and time for what it is sent. */
const MAX_WATCHES = 2000;

interface Deps {
  readonly db: Queries;
  readonly clock: Clock;
}

/** The streams of this node that watch something: bounded in number, each cut when its caller does not read. */
export class Watches {
  readonly integrations: SharedFeed<IntegrationFeed>;
  readonly events: SharedFeed<EventFeed>;
  readonly nodes: SharedFeed<NodeFeed>;
  readonly jobs: SharedFeed<JobFeed>;
  readonly #clock: Clock;
  #open = 0;

  constructor({ db, clock }: Deps) {
    this.#clock = clock;
    this.integrations = new SharedFeed(clock, () => new IntegrationFeed(db, clock));
    this.events = new SharedFeed(clock, () => new EventFeed(db));
    this.nodes = new SharedFeed(clock, () => new NodeFeed(db), NODE_INTERVAL);
    this.jobs = new SharedFeed(clock, () => new JobFeed(db));
  }

  /**
   * What `answers` has, as one watch.
   * @throws RpcError RESOURCE_EXHAUSTED when there are too many watches, or what was yielded was not taken for minutes
   */
  async *watch<T>(answers: AsyncIterable<T>): AsyncGenerator<T> {
    if (this.#open >= MAX_WATCHES) {
      const text = `this node serves ${MAX_WATCHES} watches already: end one, or ask another node`;
      throw failed(Code.RESOURCE_EXHAUSTED, 'TOO_MANY_WATCHES', text);
    }
    this.#open++;
    try {
      for await (const answer of answers) {
        const begun = this.#clock.monotonic();
        yield answer;
        if (this.#clock.monotonic() - begun > MAX_ABSENCE) throw tooSlow();
      }
    } finally {
      this.#open--;
    }
  }
}
