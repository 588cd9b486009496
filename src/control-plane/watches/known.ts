import type { WatchIntegrationsResponse } from '../../../gen/penstock/v1/integration_service_pb.ts';

/** An integration that watchers were told of, or may be. */
export interface Known {
  readonly id: string;
  /** What watchers know it by: small, and another integration's once this one is forgotten. */
  readonly slot: number;
  /** What it was like when it was loaded last; empty: it never was. */
  digest: string;
  /** Whether every watcher was told of it by a turn: else one that did not have it may have to be. */
  isConfirmed: boolean;
  /** What watchers are told of its deletion. */
  deleted: { readonly answer: WatchIntegrationsResponse; readonly at: number } | undefined;
  isForgotten: boolean;
}

/** The integrations that a feed knows, by id and by slot. */
export class KnownIntegrations {
  readonly #byId = new Map<string, Known>();
  readonly #bySlot: (Known | undefined)[] = [];
  readonly #free: number[] = [];

  get(id: string): Known | undefined {
    return this.#byId.get(id);
  }

  at(slot: number): Known | undefined {
    return this.#bySlot[slot];
  }

  getOrAdd(id: string): Known {
    const known = this.#byId.get(id);
    if (known) return known;
    const slot = this.#free.pop() ?? this.#bySlot.length;
    const added = { id, slot, digest: '', isConfirmed: false, deleted: undefined, isForgotten: false };
    this.#byId.set(id, added);
    this.#bySlot[slot] = added;
    return added;
  }

  forget(known: Known): void {
    known.isForgotten = true;
    this.#byId.delete(known.id);
    this.#bySlot[known.slot] = undefined;
    this.#free.push(known.slot);
  }
}
