import type { TestContext } from 'node:test';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { IntegrationState } from '../../../gen/penstock/v1/integration_pb.ts';
import { IntegrationService } from '../../../gen/penstock/v1/integration_service_pb.ts';
import type { IncomingRecord } from '../../../src/bus/bus.ts';
import { decodeEnvelope } from '../../../src/contract/decode-envelope.ts';
import { RpcError } from '../../../src/rpc/error.ts';
import { createClient } from '../../../src/rpc/grpcjs.ts';
import { type Installation, installationForTests, type RoleRun, type Servers } from '../../helpers/roles.ts';
import { waitUntil } from '../../helpers/wait-until.ts';
import { areMatched, createIntegration } from './integrations.ts';
import { NumberedLoad } from './numbered-load.ts';
import { NumberedSink } from './numbered-sink.ts';
import { idOf, type Message, type Stored } from './oracle.ts';
import { everyPartitionIsRead } from './readers.ts';

/** Whether the scenarios run in full. */
export const isLong = process.env.PENSTOCK_TEST_LONG === '1';
/** An executor that was killed is replaced within so many milliseconds. */
export const RECOVERY = 15_000;

export interface SystemOptions {
  readonly integrations: number;
  readonly executors: number;
  /** MQTT clients an integration, and messages a second of each. */
  readonly clients?: number;
  readonly rate?: number;
  readonly maxExecutors?: number;
  /** They send several messages a request. */
  readonly isBatched?: boolean;
  readonly servers?: Servers;
}

/** A whole installation in processes of their own, with integrations that send what is published to one sink. */
export class System {
  readonly sink: NumberedSink;
  readonly controlPlane: RoleRun;
  readonly ingress: RoleRun;
  /** Those that run, by service id. */
  readonly executors = new Map<string, RoleRun>();
  /** What its integrations are called in the load and in the sink, with the id of each. */
  readonly integrations = new Map<string, string>();
  readonly #t: TestContext;
  readonly #options: SystemOptions;
  readonly #installation: Installation;
  #started = 0;

  private constructor(
    t: TestContext,
    options: SystemOptions,
    installation: Installation,
    [sink, controlPlane, ingress]: readonly [NumberedSink, RoleRun, RoleRun],
  ) {
    this.#t = t;
    this.#options = options;
    this.#installation = installation;
    this.sink = sink;
    this.controlPlane = controlPlane;
    this.ingress = ingress;
  }

  /** Everything is stopped after the test. */
  static async start(t: TestContext, options: SystemOptions): Promise<System> {
    const sink = await NumberedSink.start(t);
    const installation = await installationForTests(t, options.servers);
    const [controlPlane, ingress] = await Promise.all([
      installation.start('control-plane', 'control-plane-1'),
      installation.start('ingress', 'ingress-1'),
    ]);
    const system = new System(t, options, installation, [sink, controlPlane, ingress]);
    for (let i = 0; i < options.executors; i++) await system.startExecutor();
    await system.#createIntegrations();
    return system;
  }

  /** With the next service id: `executor-1`, `executor-2`, … */
  async startExecutor(): Promise<string> {
    const serviceId = `executor-${++this.#started}`;
    this.executors.set(serviceId, await this.#installation.start('executor', serviceId));
    return serviceId;
  }

  /** The running executor that delivered for the most integrations last, and which. */
  busiest(): { readonly serviceId: string; readonly integrations: readonly string[] } {
    const owned = Map.groupBy(this.sink.owners(), ([, node]) => node);
    const [serviceId = '', integrations = []] = [...owned]
      .filter(([node]) => this.executors.has(node))
      .toSorted(([, a], [, b]) => b.length - a.length)[0]!;
    return { serviceId, integrations: integrations.map(([name]) => name) };
  }

  /** SIGKILL; answers when. */
  async killExecutor(serviceId: string): Promise<number> {
    const executor = this.executors.get(serviceId)!;
    this.executors.delete(serviceId);
    const at = performance.now();
    await executor.kill();
    return at;
  }

  /** SIGTERM; answers its exit code and how many milliseconds it took. */
  async stopExecutor(serviceId: string): Promise<{ code: number | null; ms: number }> {
    const executor = this.executors.get(serviceId)!;
    this.executors.delete(serviceId);
    const began = performance.now();
    const code = await executor.stop('SIGTERM');
    return { code, ms: Math.round(performance.now() - began) };
  }

  /**
   * Spreads an integration over so many executors, by the API. Asks until one agrees: the one that would answer may just have
   * died.
   */
  async spread(name: string, maxExecutors: number): Promise<void> {
    using client = createClient(IntegrationService, this.controlPlane.address('gRPC'));
    const integration = { id: this.integrations.get(name)!, delivery: { maxExecutors } };
    const updateMask = { paths: ['delivery.max_executors'] };
    const update = async () => {
      try {
        await client.updateIntegration({ integration, updateMask }, { deadline: 25_000 });
        return true;
      } catch (error) {
        if (error instanceof RpcError && error.code === Code.DEADLINE_EXCEEDED) return false;
        throw error;
      }
    };
    await waitUntil('an executor agrees', update, 30_000);
  }

  /** Whether all parts of an integration run as it was last changed. */
  async runs(name: string): Promise<boolean> {
    using client = createClient(IntegrationService, this.controlPlane.address('gRPC'));
    const { integration } = await client.getIntegration({ id: this.integrations.get(name)! });
    const { state, generation, reason } = integration!.status!;
    return state === IntegrationState.ACTIVE && generation === integration!.generation && reason === '';
  }

  /** Rejects unless every partition of every message topic soon has a reader that lives. */
  everyPartitionIsRead(): Promise<void> {
    return everyPartitionIsRead(this.#installation, this.integrations.values());
  }

  /** How many partitions of the integration's topic have ever had messages. */
  async partitionsUsed(name: string): Promise<number> {
    const { bus, topics } = this.#installation;
    const offsets = await bus.offsets(topics.messages(this.integrations.get(name)!).name);
    return [...offsets.values()].filter(({ end }) => end > 0).length;
  }

  /** Whether a topic of Kafka belongs to this installation. */
  owns(topic: string): boolean {
    return topic.startsWith(`${this.#installation.prefix}.`);
  }

  /** Publishes to all integrations until it is stopped, or the test ends. */
  load(): NumberedLoad {
    const { clients = 2, rate = 20 } = this.#options;
    return new NumberedLoad(this.#t, {
      address: () => this.ingress.address('MQTT'),
      integrations: [...this.integrations.keys()],
      clients,
      rate,
    });
  }

  /** Waits until an executor that runs has delivered something for each integration, from now on. */
  async delivers(ms = 60_000): Promise<void> {
    const { arrivals } = this.sink;
    const from = arrivals.length;
    const all = () => {
      const fresh = arrivals.slice(from).filter(({ node }) => this.executors.has(node));
      return new Set(fresh.map(({ integration }) => integration));
    };
    await waitUntil('every integration delivers', () => all().size === this.integrations.size, ms);
  }

  /** Every message that Kafka has for the integrations, in the order of each partition. */
  async stored(): Promise<readonly Stored[]> {
    const { bus, topics } = this.#installation;
    const all: Stored[] = [];
    for (const id of this.integrations.values()) {
      const { name } = topics.messages(id);
      const eachBatch = async (records: readonly IncomingRecord[]) => {
        for (const { partition, value } of records) {
          const { client, n } = JSON.parse(
            Buffer.from(decodeEnvelope(Buffer.from(value!)).payload).toString(),
          );
          if (n >= 0) all.push({ client, n, partition });
        }
      };
      await bus.read({ topic: name, ranges: await bus.offsets(name), eachBatch });
    }
    return all;
  }

  /**
   * Waits until all of these have arrived, for as long as anything arrives: after many faults in a row one integration may
   * have much to catch up with. Says how many have not arrived when nothing comes for `ms` milliseconds.
   */
  async arrived(messages: readonly Message[], ms = 30_000): Promise<void> {
    const { arrivals } = this.sink;
    const missing = new Set(messages.map(idOf));
    let seen = 0;
    const all = () => {
      // Each arrival is looked at once: the sink answers in this process, and not while this goes on.
      for (; seen < arrivals.length; seen++) missing.delete(idOf(arrivals[seen]!));
      return missing.size === 0;
    };
    const since = performance.now();
    const isSilent = () => performance.now() - Math.max(since, arrivals.at(-1)?.at ?? 0) > ms;
    await waitUntil('everything has arrived', () => all() || isSilent(), 600_000);
    if (missing.size === 0) return;
    const some = [...missing].slice(0, 5);
    throw new Error(`${missing.size} of ${messages.length} did not arrive: ${some}…`);
  }

  async #createIntegrations(): Promise<void> {
    const { maxExecutors = 1, isBatched = false } = this.#options;
    for (let i = 1; i <= this.#options.integrations; i++) {
      const name = `i${i}`;
      const options = { maxExecutors, isBatched, restEndpointUrl: this.sink.url(name) };
      const id = await createIntegration(this.controlPlane.address('gRPC'), name, options);
      this.integrations.set(name, id);
    }
    await areMatched(this.ingress.address('gRPC'), this.integrations.keys());
  }
}
