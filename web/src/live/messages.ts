import type { Event, Integration, Job, Node } from '../../../src/client/contract.ts';

/** How the stream from the server is. Times are of this machine's clock, in milliseconds. */
export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  /** What is known is of `since`; the next try is at `nextTry`. */
  | { readonly state: 'down'; readonly since: number; readonly nextTry: number; readonly why: string }
  | { readonly state: 'login' };

/** Events that are kept, the newest. */
export const MAX_EVENTS = 1000;

/** What changed. */
export interface Changes {
  readonly integrations: readonly Integration[];
  /** The ids of those that are gone. */
  readonly deleted: readonly string[];
  /** New ones, the oldest first. */
  readonly events: readonly Event[];
  /** All there are; undefined: as before. */
  readonly nodes: readonly Node[] | undefined;
  /** Replays and redrives that run, or ended lately; undefined: as before. */
  readonly jobs: readonly Job[] | undefined;
}

/** What a tab is told. */
export type ToTab =
  | { readonly kind: 'connection'; readonly connection: Connection }
  /** @property isWhole it is everything there is: what the tab has beyond that is gone */
  | ({
      readonly kind: 'changes';
      readonly isWhole: boolean;
      readonly isSynced: boolean;
      /** How often everything has come: the stream tells events from then on alone. */
      readonly syncs: number;
      /** How far the server's clock is ahead of this machine's, in milliseconds. */
      readonly ahead: number;
    } & Changes)
  /** Somebody else uses the browser now, or nobody. */
  | { readonly kind: 'caller' }
  | { readonly kind: 'alive' };

/** What a tab tells. */
export type FromTab =
  /** @property lock a Web Lock that the tab holds as long as it is there */
  | { readonly kind: 'hello'; readonly lock: string }
  /** Somebody does not want to wait. */
  | { readonly kind: 'retry' }
  /** Somebody logged in, or out. */
  | { readonly kind: 'caller' };
