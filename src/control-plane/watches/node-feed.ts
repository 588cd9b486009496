import { create, toBinary } from '@bufbuild/protobuf';
import { ListNodesResponseSchema, type Node } from '../../../gen/penstock/v1/cluster_service_pb.ts';
import { OneByOne } from '../../runtime/one-by-one.ts';
import type { Cluster } from '../status/cluster.ts';
import { shownNodes } from '../status/shown-nodes.ts';
import type { Queries } from '../store/database.ts';
import { integrationsByNode, loadCluster } from '../store/nodes.ts';
import type { ScopeSelection } from '../store/scoped.ts';
import type { Bell } from './bell.ts';
import type { Feed } from './shared-feed.ts';

/** How often PostgreSQL is asked for the nodes, in milliseconds: they report every 2 seconds. */
export const NODE_INTERVAL = 1000;

/** The nodes as callers of one scope see them. */
export interface SeenNodes {
  readonly nodes: readonly Node[];
  /** Differs when anything does but when they were heard. */
  readonly digest: string;
}

/** Those who watch with one scope. */
interface Watchers {
  readonly scope: ScopeSelection | undefined;
  readonly bells: Set<Bell>;
  seen: SeenNodes | undefined;
}

/** The nodes that run, for all who watch them: what they run is asked once for all callers of one scope. */
export class NodeFeed implements Feed {
  readonly #db: Queries;
  readonly #jobs = new OneByOne();
  readonly #byScope = new Map<string, Watchers>();

  constructor(db: Queries) {
    this.#db = db;
  }

  turn(): Promise<boolean> {
    return this.#jobs.runFirst(async () => {
      const cluster = await loadCluster(this.#db);
      for (const watchers of this.#byScope.values()) await this.#look(watchers, cluster);
      return false;
    });
  }

  /** What callers of a scope see from now on, until it is disposed; undefined: of all integrations. */
  join(
    scope: ScopeSelection | undefined,
    bell: Bell,
  ): { seen(signal: AbortSignal): Promise<SeenNodes> } & Disposable {
    const key = JSON.stringify(scope ?? null);
    const watchers = this.#byScope.get(key) ?? { scope, bells: new Set(), seen: undefined };
    this.#byScope.set(key, watchers);
    watchers.bells.add(bell);
    return {
      seen: async (signal) => watchers.seen ?? (await this.#first(watchers, signal)),
      [Symbol.dispose]: () => {
        watchers.bells.delete(bell);
        if (watchers.bells.size === 0) this.#byScope.delete(key);
      },
    };
  }

  #first(watchers: Watchers, signal: AbortSignal): Promise<SeenNodes> {
    return this.#jobs.run(async () => {
      signal.throwIfAborted(); // nobody waits for it any more
      return watchers.seen ?? (await this.#look(watchers, await loadCluster(this.#db)));
    });
  }

  async #look(watchers: Watchers, cluster: Cluster): Promise<SeenNodes> {
    const byNode = await integrationsByNode(this.#db, watchers.scope);
    const nodes = shownNodes(cluster, byNode, watchers.scope !== undefined);
    for (const node of nodes) node.integrationIds = []; // they would come again with each change of one
    const seen = { nodes, digest: digestOf(nodes) };
    const isNews = watchers.seen?.digest !== seen.digest;
    watchers.seen = seen;
    if (isNews) for (const bell of watchers.bells) bell.ring();
    return seen;
  }
}

function digestOf(nodes: readonly Node[]): string {
  const counted = nodes.map(({ lastSeenTime: _, ...node }) => node);
  const bytes = toBinary(ListNodesResponseSchema, create(ListNodesResponseSchema, { nodes: counted }));
  return Buffer.from(bytes).toString('base64');
}
