import type { Clock } from '../../runtime/clock.ts';
import type { Queries } from '../store/database.ts';
import { loadCluster } from '../store/nodes.ts';
import type { Cluster } from './cluster.ts';

/** How long the nodes are remembered, in milliseconds: much shorter than one may be silent. */
const MAX_AGE = 500;

/** The nodes as PostgreSQL had them a moment ago: of many calls one asks. */
export class RecentCluster {
  readonly #db: Queries;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #loaded: { readonly cluster: Promise<Cluster>; readonly at: number } | undefined;

  constructor(db: Queries, clock: Pick<Clock, 'monotonic'>) {
    this.#db = db;
    this.#clock = clock;
  }

  get(): Promise<Cluster> {
    const loaded = this.#loaded;
    if (loaded && this.#clock.monotonic() - loaded.at < MAX_AGE) return loaded.cluster;
    return this.load();
  }

  /** As they are now. */
  load(): Promise<Cluster> {
    const loaded = { cluster: loadCluster(this.#db), at: this.#clock.monotonic() };
    this.#loaded = loaded;
    loaded.cluster.catch(() => {
      if (this.#loaded === loaded) this.#loaded = undefined;
    });
    return loaded.cluster;
  }
}
