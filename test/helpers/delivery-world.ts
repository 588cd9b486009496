import assert from 'node:assert/strict';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { DeadLetterSchema, EnvelopeSchema, FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import type { Claim, OffsetRange, OutgoingRecord } from '../../src/bus/bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { DeadLetters } from '../../src/executor/delivery/dead-letters.ts';
import { Delivery } from '../../src/executor/delivery/delivery.ts';
import type { DeliveryEvents } from '../../src/executor/delivery/delivery-events.ts';
import { Intake, type IntakeEvents } from '../../src/executor/delivery/intake.ts';
import type { Policy } from '../../src/executor/delivery/policy.ts';
import { Statistics } from '../../src/executor/delivery/statistics.ts';
import { type InFlight, WAITING, Window } from '../../src/executor/delivery/window.ts';
import {
  type Failure,
  type Handler,
  isHopeless,
  type Outbound,
  type Outcome,
  type PackLimits,
} from '../../src/executor/handlers/handler.ts';
import { ErrorReports } from '../../src/executor/uplink/error-reports.ts';
import { Reporter } from '../../src/executor/uplink/reporter.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';
import type { CancelTimer, Clock } from '../../src/runtime/clock.ts';
import { sleepOn } from '../../src/runtime/clock.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeClient, FakeKafka, type Watcher } from './fake-kafka.ts';
import { type Cutting, failureOfCut, isCutting, Losses } from './lost-connections.ts';
import { Chain, type Plan } from './scripted-runs.ts';
import { testDeps } from './test-deps.ts';

export type { Plan } from './scripted-runs.ts';

const ID = 'id';
const TOPICS = topicsOf('t');
const { metrics, logger } = testDeps();

/** How the handler answers one call. */
export type Answer = 'outcomes' | 'rejects' | 'throws' | 'never' | 'too few' | 'refuses' | Cutting;

export interface Script {
  readonly answer: Answer;
  readonly plans: readonly Plan[];
}

export interface Shape {
  readonly partitions: number;
  readonly pack: PackLimits;
  readonly parallel: number;
  readonly policy: Policy;
}

/** Each connection that a `poison` is on is lost, until the faults end. */
export type Kind = 'plain' | 'expires' | 'unreadable' | 'poison';

/** What is known about a message, from outside. */
interface Message {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: Uint8Array;
  /** How often it took effect at the external system. */
  landed: number;
  /** How often an executor counted it as delivered. */
  told: number;
  /** How often it may be delivered again. */
  excused: number;
  deadLettered: number;
  skipped: number;
  readonly kind: Kind;
  removed: boolean;
  /** It holds those behind it no longer: the external system refused it for good, or it is about to be given up. */
  refused: boolean;
}

const isGivenUp = (message: Message) =>
  message.deadLettered + message.skipped > 0 || message.kind === 'unreadable' || message.removed;
const isIn = (ranges: readonly OffsetRange[], { offset }: Message) =>
  ranges.some(({ start, end }) => offset >= start && offset < end);
const isSettled = (message: Message) => message.told > 0 || isGivenUp(message);

/** Kafka, an external system, any number of executors, and an account of every message, on one clock. */
export class World implements Watcher {
  readonly clock = new FakeClock();
  readonly kafka: FakeKafka;
  readonly shape: Shape;
  readonly processes: TestProcess[] = [];
  readonly #messages: Message[][];
  /** The next answers of the handlers; then they deliver everything. */
  script: Script[];
  /** Nothing loses connections any more. */
  isHealed = false;
  /** Whether connections are lost for a `poison` alone, by the script, or also where the script has it. */
  readonly isOnlyPoison: boolean;
  /** The first thing that went wrong where nobody could be told. */
  #broken: unknown;

  constructor(shape: Shape, script: readonly Script[], isOnlyPoison = false) {
    this.shape = shape;
    this.isOnlyPoison = isOnlyPoison;
    this.script = [...script];
    this.kafka = new FakeKafka(shape.partitions, this.clock, this);
    this.#messages = Array.from({ length: shape.partitions }, () => []);
  }

  /** Each share that a process has, or had. */
  get executors(): readonly TestExecutor[] {
    return this.processes.flatMap(({ executors }) => executors);
  }

  get messages(): readonly Message[] {
    return this.#messages.flat();
  }

  message(partition: number, offset: number): Message {
    const message = this.#messages[partition]?.find((one) => one.offset === offset);
    assert.ok(message, `there is no message ${partition}-${offset}`);
    return message;
  }

  /** `gap` offsets before it do not exist. */
  publish(partition: number, key: string | null, kind: Kind = 'plain', gap = 0): void {
    const envelope = create(EnvelopeSchema, {
      topicName: kind === 'unreadable' ? '' : `t/${partition}/${this.kafka.end(partition) + gap}`,
      receivedTime: timestampFromMs(this.clock.now()),
      ...(kind === 'expires' ? { messageExpiryInterval: 1 } : {}),
    });
    const value = toBinary(EnvelopeSchema, envelope);
    const { offset } = this.kafka.produce(partition, key, value, gap);
    const account = { landed: 0, told: 0, excused: 0, deadLettered: 0, skipped: 0 };
    this.#messages[partition]!.push({
      partition,
      offset,
      key,
      value,
      ...account,
      kind,
      removed: false,
      refused: false,
    });
  }

  /** Anybody gives the topic one more partition. */
  grow(): void {
    this.kafka.grow();
    this.#messages.push([]);
  }

  /** The topic is made anew: what was there does not count any more. */
  forget(): void {
    for (const messages of this.#messages) messages.length = 0;
    this.#commits.clear();
  }

  /** Kafka's retention removes the records before this offset. */
  removeBefore(partition: number, offset: number): void {
    const log = this.kafka.log[partition]!;
    log.splice(
      0,
      log.findIndex((record) => record.offset >= offset),
    );
    for (const message of this.#messages[partition]!) message.removed ||= message.offset < offset;
  }

  /** Moves time on; after each timer, all that must hold always is checked. */
  async advance(ms: number, until: () => boolean = () => false): Promise<void> {
    await this.clock.advance(ms, () => {
      this.check();
      return until();
    });
    this.check();
  }

  check(): void {
    if (this.#broken) throw this.#broken;
    for (const executor of this.executors) executor.check();
  }

  /** Fails the test, also from where an error would be caught. */
  must(holds: boolean, what: string): void {
    if (!holds) this.#broken ??= new assert.AssertionError({ message: what });
  }

  committed(partition: number, offset: number, ahead: readonly OffsetRange[]): void {
    const told = this.#messages[partition]!.filter((one) => one.offset < offset || isIn(ahead, one));
    this.must(told.every(isSettled), `committed ${partition}-${offset} with a message that is not settled`);
    const last = this.#commits.get(partition) ?? -1;
    this.must(offset >= last, `committed ${partition}-${offset} after ${last}`);
    this.#commits.set(partition, offset);
  }
  readonly #commits = new Map<number, number>();

  /** What an executor had on its way, or had delivered without a commit, may come once more when another takes over. */
  lost(client: FakeClient, share: number): void {
    const executor = this.executors.findLast((one) => one.client === client && one.share === share);
    for (let partition = share; partition < this.#messages.length; partition += this.shape.partitions)
      this.#excuse(executor, partition);
  }

  #excuse(executor: TestExecutor | undefined, partition: number): void {
    const next = executor?.delivery.window.next(partition) ?? 0;
    for (const message of this.#messages[partition]!) {
      if (message.offset < (this.kafka.commits.get(partition) ?? 0) || message.offset >= next) continue;
      if (isIn(this.kafka.aheads.get(partition)?.ranges ?? [], message)) continue;
      const mayStillEnd = executor?.mayDeliver && executor.isOnItsWay(message);
      if (message.told > 0 || mayStillEnd) message.excused++;
    }
  }

  sent(topic: string, { value }: OutgoingRecord): void {
    if (topic !== TOPICS.deadLetters(ID).name) return;
    const letter = fromBinary(DeadLetterSchema, value!);
    const message = this.message(letter.partition, Number(letter.offset));
    message.deadLettered++;
    this.must(Buffer.from(letter.envelope).equals(message.value), 'the dead letter is another message');
    const { strategy, retries } = this.shape.policy;
    const hopeless = letter.failureClass >= FailureClass.REJECTED;
    const last = strategy === 'SKIP_ALL' ? 1 : retries + 1;
    const outOfTries = retries > 0 || strategy === 'SKIP_ALL';
    this.must(
      hopeless || (outOfTries && letter.attempts === last),
      `given up after ${letter.attempts} tries`,
    );
  }

  /** A message takes effect. */
  land({ partition, offset }: Outbound): void {
    const message = this.message(partition, offset);
    const earlier = this.#messages[partition]!.filter(
      (one) => one.key !== null && one.key === message.key && one.offset < offset,
    );
    const skipped = earlier.find((one) => one.landed === 0 && !isGivenUp(one) && !one.refused);
    this.must(
      !skipped || isGivenUp(message),
      `${partition}-${offset} overtook ${skipped?.offset} of its key`,
    );
    message.landed++;
  }

  refuse({ partition, offset }: Outbound): void {
    this.message(partition, offset).refused = true;
  }

  isPoisoned(pack: readonly Outbound[]): boolean {
    return !this.isHealed && pack.some((one) => this.message(one.partition, one.offset).kind === 'poison');
  }

  told({ partition, offset }: InFlight): void {
    const message = this.message(partition, offset);
    message.told++;
    this.must(
      message.told <= 1 + message.excused,
      `${partition}-${offset} was delivered ${message.told} times, ${message.excused} excused`,
    );
  }

  async start(): Promise<TestProcess> {
    const process = new TestProcess(this);
    this.processes.push(process);
    await this.advance(0);
    return process;
  }

  /** All faults end; then everything must get to its end. */
  async quiesce(): Promise<void> {
    this.script = [];
    this.isHealed = true;
    Object.assign(this.kafka.faults, { refusedCommits: 0, stalledCommits: 0, failedSends: 0 });
    if (!this.processes.some((one) => one.isRunning)) await this.start();
    const isDone = () =>
      this.#messages.every((_, p) => (this.kafka.commits.get(p) ?? 0) === this.kafka.end(p)) &&
      this.executors.every((one) => !one.isRunning || one.delivery.window.size === 0);
    await this.advance(600_000, isDone);
    assert.ok(isDone(), `not done: ${JSON.stringify([...this.kafka.commits])}`);
    const lost = this.messages.filter((one) => one.landed === 0 && !isGivenUp(one));
    assert.deepEqual(lost, [], 'messages were lost');
    assert.ok(
      this.executors.every(({ retentionLost }) => retentionLost === 0),
      'a loss was told that was none',
    );
  }
}

/** Time as one process sees it: it ends with the process, and stands still while the machine is suspended. */
class ProcessClock implements Clock {
  readonly #clock: Clock;
  readonly #cancels = new Set<CancelTimer>();
  #ended = false;
  /** Since when the machine is suspended; and what falls due meanwhile. */
  #suspendedAt: number | undefined;
  #slept = 0;
  #due: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async suspend(ms: number): Promise<void> {
    this.#suspendedAt = this.#clock.monotonic();
    await this.#clock.sleep(ms);
    this.#suspendedAt = undefined;
    this.#slept += ms;
    for (const run of this.#due.splice(0)) this.#clock.setTimer(run, 0); // promises settle in between
  }

  get timers(): number {
    return this.#cancels.size;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return (this.#suspendedAt ?? this.#clock.monotonic()) - this.#slept;
  }

  lease(): number {
    return this.#clock.lease();
  }

  setTimer(callback: () => void, ms: number): CancelTimer {
    if (this.#ended) return () => {};
    const run = () => {
      if (this.#cancels.delete(cancel)) callback();
    };
    const cancel = () => {
      stop();
      this.#cancels.delete(cancel);
    };
    const stop = this.#clock.setTimer(() => {
      if (this.#suspendedAt === undefined) run();
      else this.#due.push(run);
    }, ms);
    this.#cancels.add(cancel);
    return cancel;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  end(): void {
    this.#ended = true;
    for (const cancel of [...this.#cancels]) cancel();
  }
}

/** How long what is lost may take to end; as for an instance. */
const GRACE = 5000;

/** A process that runs the shares of the integration that the group gives it, as an executor does. */
export class TestProcess {
  readonly client: FakeClient;
  /** Each share that it has, or had. */
  readonly executors: TestExecutor[] = [];
  readonly clock: ProcessClock;
  readonly leaving = new AbortController();
  #grace = GRACE;
  #state: 'running' | 'stopping' | 'gone' = 'running';

  constructor(world: World) {
    this.clock = new ProcessClock(world.clock);
    this.client = new FakeClient(world.kafka, this.clock);
    const running = new Map<Claim, TestExecutor>();
    /** The end of the run of each share before: the next one waits for it. */
    const ends = new Map<number, Promise<void>>();
    this.client.join({
      groupId: 'group',
      topics: [],
      onGained: (claim) => {
        const executor = new TestExecutor(world, this, claim);
        this.executors.push(executor);
        running.set(claim, executor);
        executor.start(ends.get(claim.partition) ?? Promise.resolve());
      },
      onLost: (claim) => {
        const ended = running.get(claim)!.stop(this.#grace);
        ends.set(claim.partition, ended);
        return ended;
      },
    });
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  get isDead(): boolean {
    return this.#state === 'gone';
  }

  /** The one that runs, of a single share. */
  get executor(): TestExecutor {
    return this.executors.at(-1)!;
  }

  async stop(grace: number): Promise<void> {
    if (this.#state !== 'running') return;
    this.#state = 'stopping';
    this.#grace = grace;
    this.leaving.abort(new Error('the process stops'));
    await this.client[Symbol.asyncDispose]();
    if (this.#state === 'stopping') this.clock.end();
  }

  /** The machine is suspended: it does nothing, and knows nothing of it. */
  async suspend(ms: number): Promise<void> {
    if (this.#state === 'running') await Promise.all([this.clock.suspend(ms), this.client.isolate(ms)]);
  }

  /** The process dies as it stands. */
  kill(): void {
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    this.client.kill();
    this.clock.end();
    for (const executor of this.executors) executor.kill();
  }
}

/** The delivery of one share of an integration in one process, put together as an instance does. */
export class TestExecutor {
  readonly client: FakeClient;
  readonly share: number;
  readonly delivery: Delivery;
  readonly intake: Intake;
  readonly statistics: Statistics;
  /** So many messages it missed in the topic. */
  retentionLost = 0;
  readonly #world: World;
  readonly #claim: Claim;
  /** The timers of the intake and the delivery alone. */
  readonly #ownClock: ProcessClock;
  readonly #processClock: ProcessClock;
  readonly #errors: ErrorReports;
  readonly #calls = new Set<Call>();
  readonly #losses: Losses;
  /** Messages of one key at the handler, where runs are wanted. */
  readonly #chains = new Map<string, Chain>();
  /** Refused, and given up when they are kept; what has expired does not arrive any more, whatever comes before it. */
  readonly #refused = new Set<InFlight>();
  readonly #stopping = new AbortController();
  #state: 'running' | 'stopping' | 'gone' = 'running';
  #started = Promise.resolve();
  #told = 0;
  #toldByHandler = 0;

  constructor(world: World, process: TestProcess, claim: Claim) {
    this.#world = world;
    this.#claim = claim;
    const { shape } = world;
    this.#losses = new Losses(shape.policy);
    const { client } = process;
    this.share = claim.partition;
    this.#processClock = process.clock;
    this.#ownClock = new ProcessClock(process.clock);
    this.client = client;
    let seed = 1;
    const random = () => {
      seed = (seed * 16_807) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    const common = {
      bus: client,
      topics: TOPICS,
      serviceId: 'e',
      startTime: 0,
      clock: process.clock,
      logger,
      metrics,
      random,
    };
    const subject = () => ({ integrationId: ID, shard: 0, generation: 1n });
    this.#errors = new ErrorReports(subject, 1000, { ...common, reporter: new Reporter(common) });
    this.statistics = new Statistics({ id: ID, type: 'http' }, { ...common, errors: this.#errors });
    const deadLetters = new DeadLetters(ID, () => 1n, common);
    this.delivery = new Delivery({
      window: new Window(shape.policy, new ByteLimit(shape.policy.maxInFlightBytes)),
      clock: this.#ownClock,
      random,
      handler: this.#handler(),
      pack: shape.pack,
      policy: shape.policy,
      events: this.#events(),
      deadLetter: (message, failure, signal) => deadLetters.keep(message, failure, signal),
      holdsLease: () => claim.isHeld(),
    });
    const { delivery } = this;
    const events: IntakeEvents = {
      undecodable: (record, why) => this.statistics.undecodable(record, why),
      retentionLost: (count) => {
        this.retentionLost += count;
      },
      settledBefore: () => this.statistics.settledBefore(),
    };
    const share = { topic: 'messages', shard: claim.partition, shards: shape.partitions, spread: 'http' };
    this.intake = new Intake(share, {
      ...common,
      clock: this.#ownClock,
      membership: client.membership,
      claim,
      delivery,
      events,
      leaving: process.leaving.signal,
    });
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  get mayDeliver(): boolean {
    return !this.#gone && !this.delivery.hasStopped;
  }

  isOnItsWay({ partition, offset }: { readonly partition: number; readonly offset: number }): boolean {
    const isIt = (one: Outbound) => one.partition === partition && one.offset === offset;
    return [...this.#calls].some(({ pack, signal }) => !signal.aborted && pack.some(isIt));
  }

  start(before: Promise<void>): void {
    const { signal } = this.#stopping;
    const start = async () => {
      await before;
      while (!signal.aborted) {
        try {
          return await this.intake.start(signal);
        } catch {
          await this.#ownClock.sleep(500, signal).catch(() => {}); // as the manager tries again
        }
      }
    };
    this.#started = start();
  }

  /** As an instance is stopped. */
  async stop(grace: number): Promise<void> {
    if (this.#state !== 'running') return;
    this.#state = 'stopping';
    this.#stopping.abort(new Error('stopped'));
    await this.#started;
    await this.delivery.stop(grace);
    const { kafka } = this.#world;
    const { refused } = kafka;
    const settled = this.delivery.window.committable();
    await this.intake[Symbol.asyncDispose]();
    this.#errors.stop();
    if (this.#gone) return;
    const uncommitted = settled.find((one) => (kafka.commits.get(one.partition) ?? 0) < one.offset);
    // Over, it has no say any more: whoever has the partitions now began where this one committed before.
    const mayFail = refused < kafka.refused || this.#claim.isOver;
    this.#world.must(!uncommitted || mayFail, 'what is settled is not committed at the stop');
    this.#world.must(this.#ownClock.timers === 0, `${this.#ownClock.timers} timers outlived the stop`);
    this.#state = 'gone';
  }

  /** Its process dies. */
  kill(): void {
    this.#state = 'gone';
    this.#ownClock.end();
  }

  get #gone(): boolean {
    return this.#state === 'gone';
  }

  /** What holds at every moment. */
  check(): void {
    const { delivery, statistics } = this;
    const { received, delivered, deadLettered, skipped, inFlight } = statistics.report(delivery.window, 0);
    assert.equal(received, BigInt(delivered!) + BigInt(deadLettered!) + BigInt(skipped!) + BigInt(inFlight!));
    assert.equal(Number(delivered), this.#told);
    assert.equal(this.#told, this.#toldByHandler, 'what the handler delivered in time is counted once');
    assert.ok(
      delivery.window.size >= 0 && delivery.window.size <= this.#world.shape.policy.maxInFlight * WAITING,
    );
  }

  #events(): DeliveryEvents {
    const world = this.#world;
    let failed: InFlight | undefined;
    const { statistics } = this;
    return {
      received: () => statistics.received(),
      delivered: (message) => {
        this.#told++;
        world.told(message);
        statistics.delivered(message);
      },
      failed: (message, failure, givenUp) => {
        failed = message;
        if (givenUp) world.refuse(message);
        if (givenUp && failure.failureClass !== FailureClass.EXPIRED) this.#refused.add(message);
        statistics.failed(message, failure, givenUp);
      },
      skipped: () => {
        world.message(failed!.partition, failed!.offset).skipped++;
        statistics.skipped();
      },
      deadLettered: () => statistics.deadLettered(),
      released: () => statistics.released(),
    };
  }

  #handler(): Handler {
    const { shape } = this.#world;
    return {
      parallel: shape.parallel,
      connect: async () => {},
      deliver: (pack, signal) => this.#deliver(pack, signal),
      [Symbol.asyncDispose]: async () => {},
    };
  }

  #checkCall(pack: readonly Outbound[]): void {
    const world = this.#world;
    const open = [...this.#calls].filter(({ signal }) => !signal.aborted);
    world.must(this.mayDeliver, 'a call began after the stop');
    world.must(open.length < world.shape.parallel, 'too many packs at the handler');
    const moving = pack.length + open.reduce((sum, call) => sum + call.pack.length, 0);
    world.must(moving <= world.shape.policy.maxInFlight, `${moving} messages at the handler`);
    const isApart = [...open, { pack }].some((call) => call.pack.some((one) => this.#losses.isApart(one)));
    world.must(!isApart || moving === 1, 'one for which connections may be lost is not alone');
    const { maxMessages, maxBytes } = world.shape.pack;
    world.must(pack.length > 0 && pack.length <= maxMessages, `a pack of ${pack.length}`);
    const bytes = pack.reduce(
      (sum, { partition, offset }) => sum + world.message(partition, offset).value.byteLength,
      0,
    );
    world.must(pack.length === 1 || bytes <= maxBytes, `a pack of ${bytes} bytes`);
    const owned = this.client.owned;
    const { partitions } = world.shape;
    const foreign = pack.find(({ partition }) => !owned.includes(partition % partitions));
    world.must(!foreign, `partition ${foreign?.partition} is lost`);
    const { runs } = world.shape.pack;
    const keysOf = (messages: readonly Outbound[]) => {
      const keys = messages.flatMap(({ key }) => (key === null ? [] : [key]));
      return runs === undefined ? keys : [...new Set(keys)];
    };
    const keys = [...open, { pack }].flatMap((call) => keysOf(call.pack));
    world.must(runs === 'across' || new Set(keys).size === keys.length, 'a key is at the handler twice');
    const stalled = keysOf(pack).find((key) => this.#chains.get(key)?.isStalled);
    world.must(stalled === undefined, `${stalled} goes on although one of it is to be tried again`);
    const isKept = ({ partition, offset }: InFlight) => isGivenUp(world.message(partition, offset));
    const refused = [...this.#refused].find((one) => !isKept(one) && keysOf(pack).includes(one.key!));
    world.must(!refused, `${refused?.key} goes on although one of it is not kept`);
  }

  /** Where a message stands among those of its key at the handler. */
  #link({ key }: Outbound): ReturnType<Chain['link']> {
    if (key === null || this.#world.shape.pack.runs === undefined) return new Chain().link();
    const chain = this.#chains.get(key) ?? new Chain();
    this.#chains.set(key, chain);
    return chain.link(() => this.#chains.delete(key));
  }

  #deliver(pack: readonly Outbound[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const world = this.#world;
    this.#checkCall(pack);
    for (const { partition, offset, envelope } of pack) {
      world.must(envelope.topicName === `t/${partition}/${offset}`, 'the envelope is another message');
    }
    const { answer: scripted, plans } = world.script.shift() ?? HEALTHY;
    const answer = this.#answerTo(pack, scripted);
    if (answer === 'throws') {
      this.#losses.forget(pack);
      throw new Error('thrown');
    }
    const { promise, resolve, reject } = Promise.withResolvers<readonly Outcome[]>();
    const now = world.clock.now();
    const planned = pack.map((message, i) => {
      const plan = plans[i % plans.length]!;
      const link = this.#link(message);
      return { message, plan, link, delay: link.due(now + plan.delay) - now };
    });
    const endLinks = (outcomes: readonly Outcome[]) => {
      for (const [i, { link }] of planned.entries())
        link.end(comesAgain(outcomes[i] ?? AWAY, pack.length, world.shape.policy));
    };
    const call: Call = {
      pack,
      signal,
      isLost: false,
      lose: (failure) => {
        call.isLost = true;
        // What of it has not arrived does not; of the calls that are lost together the delivery hears one after another.
        for (const { message, link } of planned) if (!call.arrived.has(message)) link.break();
        const first = planned.filter(({ message }) => this.#losses.lost(message, failure) === 1);
        queueMicrotask(() => {
          for (const one of planned) one.link.end(failure.cut !== undefined && first.includes(one));
        });
        if (failure.cut === undefined) for (const message of pack) world.refuse(message);
        resolve(pack.map(() => failure));
      },
      arrived: new Set(),
    };
    this.#calls.add(call);
    for (const { message, plan, link, delay } of planned) {
      world.clock.setTimer(() => {
        if (link.isBroken() || call.isLost) return;
        const cut = signal.aborted || this.#gone;
        if (arrives(answer) && plan.outcome === 'delivered' && (plan.stubborn || !cut)) {
          call.arrived.add(message);
          world.land(message);
        } else if (answer === 'outcomes' && !cut && isFinal(plan)) world.refuse(message);
        else link.break();
      }, delay);
    }
    signal.addEventListener('abort', () => endLinks([]));
    const end = Math.max(...planned.map(({ delay }) => delay));
    this.#processClock.setTimer(() => {
      if (call.isLost) return;
      if (answer !== 'never') this.#calls.delete(call);
      if (this.#gone || answer === 'never') return;
      if (isCutting(answer)) {
        if (!signal.aborted) this.#loseConnection([call, ...this.#calls], answer);
        return;
      }
      this.#losses.forget(pack);
      if (answer === 'rejects') {
        endLinks([]);
        return reject(new Error('rejected'));
      }
      const outcomes = planned.map(({ plan, link }) => link.outcomeOf(plan));
      if (answer === 'refuses')
        outcomes.fill({ delivered: false, failureClass: FailureClass.REJECTED, reason: 'r', ofPack: true });
      if (answer === 'too few') outcomes.pop();
      endLinks(outcomes);
      if (!signal.aborted) this.#toldByHandler += outcomes.filter(({ delivered }) => delivered).length;
      resolve(outcomes);
    }, end);
    return promise;
  }

  #answerTo(pack: readonly Outbound[], scripted: Answer): Answer {
    const world = this.#world;
    if (world.isPoisoned(pack)) return isCutting(scripted) ? scripted : 'cuts maybe';
    if (isCutting(scripted) && world.isOnlyPoison) return 'outcomes';
    // What comes across holds back what is handed over before a failure is heard of: this one does not fail that soon.
    return scripted === 'throws' && world.shape.pack.runs === 'across' ? 'rejects' : scripted;
  }

  /** The one connection of the handler is lost, with these calls on it. */
  #loseConnection(calls: readonly Call[], kind: Cutting): void {
    const open = calls.filter(({ signal }) => !signal.aborted);
    const failure = failureOfCut(kind, open.reduce((sum, { pack }) => sum + pack.length, 0) > 1);
    for (const call of open) {
      this.#calls.delete(call);
      call.lose(failure);
    }
  }
}

/** Messages at the handler. */
interface Call {
  readonly pack: readonly Outbound[];
  readonly signal: AbortSignal;
  /** Those that took effect. */
  readonly arrived: Set<Outbound>;
  isLost: boolean;
  /** The connection that it is on is lost. */
  lose(failure: Failure): void;
}

const arrives = (answer: Answer) => answer !== 'refuses' && !isCutting(answer);

const HEALTHY: Script = { answer: 'outcomes', plans: [{ outcome: 'delivered', delay: 1, stubborn: true }] };

const isFinal = ({ outcome }: Plan) => outcome !== 'delivered' && outcome >= FailureClass.REJECTED;

const AWAY: Failure = { delivered: false, failureClass: FailureClass.UNAVAILABLE, reason: 'away' };

/** Whether the engine is to try a message again after this, however often it was tried. */
function comesAgain(outcome: Outcome, packSize: number, { strategy, retries }: Policy): boolean {
  if (outcome.delivered) return false;
  if (outcome.isHeld || (outcome.ofPack && packSize > 1)) return true;
  return strategy === 'RETRY_ALL' && retries === 0 && !isHopeless(outcome);
}
