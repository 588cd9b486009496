import type { Envelope } from '../../../gen/penstock/v1/envelope_pb.ts';
import { Change } from '../../runtime/change.ts';
import type { Failure, Outcome } from '../handlers/handler.ts';
import { Attempts } from './attempt.ts';
import type { DeliveryDeps } from './delivery-deps.ts';
import { Lanes } from './lanes.ts';
import { Linger } from './linger.ts';
import { isEnough, readyFor, takePack } from './pack.ts';
import { Pauses } from './pauses.ts';
import { decide, futilityOf, isHeld, isSuspect, NO_OUTCOME } from './strategy.ts';
import { Suspects } from './suspects.ts';
import type { InFlight, Window } from './window.ts';

/** Hands the messages of a window to the handler, in packs, until each is settled; it waits for those of its lane alone. */
export class Delivery {
  readonly window: Window;
  readonly #deps: DeliveryDeps;
  readonly #lanes: Lanes<InFlight>;
  readonly #attempts: Attempts;
  readonly #pauses: Pauses;
  readonly #suspects: Suspects;
  readonly #linger: Linger;
  readonly #stop = new AbortController();
  #deadLettering = 0;
  #stopping = false;
  /** While it stops: what comes after these offsets of its partition does not leave any more. */
  #reached: ReadonlyMap<number, number> | undefined;
  readonly #change = new Change();

  constructor(deps: DeliveryDeps) {
    this.#deps = deps;
    this.#lanes = new Lanes(deps.pack.runs === 'across');
    this.#attempts = new Attempts(deps.handler, deps.policy.packProcessingTimeout, deps.clock);
    this.#pauses = new Pauses(deps.clock);
    this.#suspects = new Suspects(deps.policy, deps.clock);
    this.#linger = new Linger(deps.clock, deps.pack.maxWait ?? 0, () => this.#pump());
    this.window = deps.window;
  }

  /** Whether one more message of this partition may be taken in. */
  hasSpace(partition: number): boolean {
    const { pack, policy } = this.#deps;
    const there = { taken: this.window.size, out: this.#attempts.messages, most: policy.maxInFlight };
    return !this.#stopping && !isEnough(this.#lanes, there, pack) && this.window.hasSpace(partition);
  }

  get hasStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Which message connections seem to be lost for, for people; undefined: none. */
  get suspicion(): string | undefined {
    return this.#suspects.reason;
  }

  /** Resolves at the next change of the window, or `wake`. */
  changed(): Promise<void> {
    return this.#change.next();
  }

  wake(): void {
    this.#change.tell();
  }

  /** To be called each second: what waits for something that nobody tells goes on, and nothing is on its way unleased. */
  tick(): void {
    if (!this.#deps.holdsLease()) this.#attempts.cut('the executor may have lost the partitions');
    this.wake();
    this.#pump();
  }

  /** Takes a message in; see `Window.take`. */
  take(partition: number, offset: number, key: string | null, envelope: Envelope, value: Uint8Array): void {
    this.#deps.events.received();
    this.#lanes.add(this.window.take(partition, offset, key, envelope, value));
    this.#pump();
  }

  /** Lets go of a partition; what is taken in of it next begins anew. */
  lose(partition: number): void {
    this.window.lose(partition);
    for (const lost of this.#pauses.cut((message) => !this.window.isOwned(message))) this.#release(lost);
    this.#pump();
  }

  /** Hands out what may leave, while the handler takes more. */
  #pump(): void {
    const { handler, policy, holdsLease, clock } = this.#deps;
    while (!this.hasStopped && this.#attempts.size < handler.parallel && holdsLease()) {
      const next = this.#next(policy.maxInFlight - this.#attempts.messages);
      if (!next) return;
      const now = clock.now();
      const pack = this.#checked(next, now);
      if (pack.length > 0) this.#attempt(pack, now);
    }
  }

  /** What may leave next, of at most `room` messages. */
  #next(room: number): readonly InFlight[] | undefined {
    const { due } = this.#suspects;
    if (due && this.#pauses.cut((one) => one === due).length > 0) this.#suspects.again(due, this.#lanes);
    const [{ pack }, { next }] = [this.#deps, this.#lanes];
    const inGroup = next ? this.#suspects.room(next, this.#attempts.size) : 0;
    const most = Math.min(pack.maxMessages, (next?.companions ?? 0) + 1, room, inGroup);
    if (most === 0) return undefined;
    if (!this.#linger.isOver(readyFor(this.#lanes, pack) >= most || this.#stopping)) return undefined;
    return takePack(this.#lanes, most, pack);
  }

  /** Without those that are not to leave any more. */
  #checked(pack: readonly InFlight[], now: number): readonly InFlight[] {
    return pack.filter((message) => {
      const reached = this.#reached?.get(message.partition) ?? message.offset;
      const futility = futilityOf(message.envelope, this.#deps.policy, now);
      if (!this.window.isOwned(message)) this.#release(message);
      else if (message.offset > reached) this.#lanes.done(message);
      else if (futility) this.#giveUp(message, futility);
      else return true;
      return false;
    });
  }

  #attempt(pack: readonly InFlight[], now: number): void {
    for (const message of pack) {
      message.attempts++;
      message.firstAttempt ||= now;
    }
    this.#suspects.leave(pack, this.#attempts.size);
    this.#attempts.start(pack, (outcomes) => {
      if (outcomes) this.#ended(pack, outcomes);
      else this.#recalled(pack);
      this.#wakeWhenLow(); // also where a lane is blocked now
      this.#pump();
    });
  }

  /** It was no try of theirs: they leave again when they may. */
  #recalled(pack: readonly InFlight[]): void {
    if (this.hasStopped) return;
    for (const message of pack) {
      message.attempts--;
      this.#lanes.again(message);
    }
  }

  #ended(pack: readonly InFlight[], outcomes: readonly Outcome[]): void {
    const [back, suspects]: [InFlight[], InFlight[]] = [[], []];
    pack.forEach((message, i) => {
      const outcome = outcomes[i] ?? NO_OUTCOME;
      if (outcome.delivered) {
        this.#suspects.delivered(outcome);
        this.#deps.events.delivered(message);
        this.#settle(message);
        return;
      }
      const failure = this.#suspects.failed(message, outcome);
      if (isHeld(failure, this.#lanes.isStalled(message))) back.push(message);
      else if (pack.length > 1 && isSuspect(failure)) suspects.push(message);
      else this.#failed(message, failure);
    });
    // They were refused together: the one at fault is found by halves, and only it is given up.
    for (const message of suspects) message.companions = Math.ceil(suspects.length / 2) - 1;
    this.#recalled([...suspects, ...back]);
  }

  #failed(message: InFlight, failure: Failure): void {
    const { policy, events, random } = this.#deps;
    if (this.hasStopped) return; // not settled, so it comes again
    if (message.suspicion.isExcused) message.attempts--;
    const decision = decide(policy, failure, message.attempts, random(), message.suspicion);
    if (!this.window.isOwned(message)) this.#release(message);
    else if (!decision.retry) this.#giveUp(message, failure);
    else {
      events.failed(message, failure, false);
      this.#lanes.stall(message);
      if (this.#stopping) return;
      this.#suspects.pause(message);
      this.#pauses.add(message, decision.pause, () => {
        this.#suspects.again(message, this.#lanes);
        this.#pump();
      });
    }
  }

  #giveUp(message: InFlight, failure: Failure): void {
    const { policy, events, deadLetter } = this.#deps;
    this.#suspects.endTrial(message);
    events.failed(message, failure, true);
    if (!policy.deadLetter) {
      events.skipped();
      this.#settle(message);
      return;
    }
    this.#lanes.hold(message); // a kill before it is kept brings it again: no more is to be delivered before it
    this.#deadLettering++;
    deadLetter(message, failure, this.#stop.signal)
      .then(() => {
        if (!this.window.has(message)) return; // kept too late: it is released, and comes again
        events.deadLettered();
        this.#settle(message);
      })
      .catch(() => {}) // stopped before it was kept: not settled, so it comes again
      .finally(() => {
        this.#deadLettering--;
        this.wake();
        this.#pump();
      });
  }

  #release(message: InFlight): void {
    this.#deps.events.released();
    this.#settle(message);
  }

  #settle(message: InFlight): void {
    this.window.settle(message);
    this.#suspects.forget(message);
    this.#lanes.done(message);
    this.#wakeWhenLow();
  }

  #wakeWhenLow(): void {
    if (this.#stopping || this.#lanes.heads <= this.#deps.policy.maxInFlight) this.wake();
  }

  /**
   * Takes nothing more in and gives what is on its way, and what comes before it in the topic, `grace` milliseconds: without
   * that, it would come twice. What failed is not tried again. What is not settled then comes again.
   */
  async stop(grace: number): Promise<void> {
    this.#stopping = true;
    this.#reached = this.window.reached();
    this.#pauses.cut(() => true);
    this.#suspects.endTrial();
    this.#pump(); // nothing waits for more
    let late = false;
    const cancel = this.#deps.clock.setTimer(() => {
      late = true;
      this.wake();
    }, grace);
    while ((this.#attempts.size > 0 || this.#deadLettering > 0) && !late) await this.changed();
    cancel();
    this.#linger.end();
    this.#stop.abort(new Error('the delivery stopped'));
    this.#attempts.cut('the delivery stopped');
    this.wake();
    for (let left = this.window.clear(); left > 0; left--) this.#deps.events.released(); // to whoever runs next
  }
}
