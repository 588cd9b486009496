import { signal } from '@preact/signals';
import type { RedriveDeadLettersResponse } from '../../../../src/client/contract.ts';
import { type Failure, failureOf } from '../../api/failures.ts';
import type { LetterFilter } from './letter-filter.ts';

/** The server tells its progress twice a second: after so many milliseconds of silence the call is cut. */
const SILENCE = 30_000;

export interface RedriveRequest {
  readonly integrationId: string;
  readonly filter: LetterFilter;
  /** Messages in a second; 0: what the server takes when it is not told. */
  readonly maxRate: number;
}

/** A redrive of this page. */
export interface Run {
  readonly state: 'running' | 'stopping' | 'stopped' | 'done' | 'failed';
  readonly total: bigint;
  readonly redriven: bigint;
  readonly failure?: Failure;
}

interface RedrivesDeps {
  redrive(request: RedriveRequest, signal: AbortSignal): AsyncIterable<RedriveDeadLettersResponse>;
  /** Calls back once, later. Answers what cancels it. */
  later(callback: () => void, ms: number): () => void;
}

const isOver = ({ state }: Run): boolean => state !== 'running' && state !== 'stopping';

/** The redrives that this page runs, one of an integration: the server stops one when its caller goes away. */
export class Redrives {
  readonly #deps: RedrivesDeps;
  readonly #stops = new Map<string, AbortController>();
  /** By the integration's id. */
  readonly runs = signal<ReadonlyMap<string, Run>>(new Map());

  constructor(deps: RedrivesDeps) {
    this.#deps = deps;
  }

  /** Begins, unless one of this integration is running. */
  start(request: RedriveRequest): void {
    const { integrationId: id } = request;
    const before = this.runs.value.get(id);
    if (before && !isOver(before)) return;
    const stop = new AbortController();
    this.#stops.set(id, stop);
    this.#become(id, { state: 'running', total: 0n, redriven: 0n });
    void this.#follow(request, stop.signal);
  }

  /** What was put back until then stays so. */
  stop(id: string): void {
    const run = this.runs.value.get(id);
    if (run?.state !== 'running') return;
    this.#become(id, { ...run, state: 'stopping' });
    this.#stops.get(id)?.abort();
  }

  /** Whoever read how it ended does not need it any more. */
  forget(id: string): void {
    const runs = new Map(this.runs.value);
    runs.delete(id);
    this.runs.value = runs;
  }

  /** The integrations whose dead letters are being put back. */
  running(): readonly string[] {
    return [...this.runs.value].flatMap(([id, run]) => (isOver(run) ? [] : [id]));
  }

  async #follow(request: RedriveRequest, stop: AbortSignal): Promise<void> {
    const { integrationId: id } = request;
    const { redrive, later } = this.#deps;
    const silence = new AbortController();
    let cancel = later(() => silence.abort(), SILENCE);
    let isDone = false;
    try {
      for await (const { total, redriven, done } of redrive(
        request,
        AbortSignal.any([stop, silence.signal]),
      )) {
        cancel();
        cancel = later(() => silence.abort(), SILENCE);
        isDone = done;
        this.#become(id, { ...this.#now(id), total, redriven });
      }
      if (!isDone)
        throw new Error('The server ended it before it was done: look at what is left, and begin again.');
      this.#become(id, { ...this.#now(id), state: 'done' });
    } catch (error) {
      if (stop.aborted) this.#become(id, { ...this.#now(id), state: 'stopped' });
      else {
        const cause = silence.signal.aborted
          ? new Error('The server says nothing any more: look at what is left, and begin again.')
          : error;
        this.#become(id, { ...this.#now(id), state: 'failed', failure: failureOf(cause) });
      }
    } finally {
      cancel();
    }
  }

  #now(id: string): Run {
    return this.runs.value.get(id) ?? { state: 'running', total: 0n, redriven: 0n };
  }

  #become(id: string, run: Run): void {
    this.runs.value = new Map(this.runs.value).set(id, run);
  }
}
