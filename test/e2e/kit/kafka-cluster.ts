import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import kafkajs, { type Admin } from 'kafkajs';
import { run } from '../../../src/dev/command.ts';
import { KafkaProcess, kafkaJava, newClusterId } from '../../helpers/kafka-process.ts';
import { serverForTests } from '../../helpers/server-for-tests.ts';
import { steadyPorts } from '../../helpers/steady-ports.ts';
import { waitUntil } from '../../helpers/wait-until.ts';
import { electPreferredLeaders } from './kafka-request.ts';
import { LimitedDisk } from './limited-disk.ts';

const NODES = [1, 2, 3];
const HEAP = '-Xmx256m';
/** Until a node that came back has caught up. */
const CATCH_UP = 60_000;

interface ClusterNode {
  readonly port: number;
  readonly process: KafkaProcess;
  readonly disk: LimitedDisk | undefined;
}

interface Options {
  readonly dataDir: string;
  /** Bytes that the disk of the last node has; only root can have that. */
  readonly lastDisk?: number | undefined;
}

/** A Kafka of three nodes, each a broker and a controller. Topics have three replicas. */
export class KafkaCluster implements AsyncDisposable {
  readonly nodes = NODES;
  readonly #nodes: ReadonlyMap<number, ClusterNode>;
  readonly #admin: Admin;

  private constructor(nodes: ReadonlyMap<number, ClusterNode>) {
    this.#nodes = nodes;
    this.#admin = new kafkajs.Kafka({
      brokers: this.brokers.split(','),
      logLevel: kafkajs.logLevel.NOTHING,
      requestTimeout: 5000,
      connectionTimeout: 1000,
    }).admin();
  }

  static async start({ dataDir, lastDisk }: Options): Promise<KafkaCluster> {
    const ports = await steadyPorts(2 * NODES.length);
    const quorum = NODES.map((id, i) => `${id}@127.0.0.1:${ports[2 * i + 1]}`).join();
    const java = await kafkaJava(HEAP);
    const clusterId = newClusterId();
    const nodes = new Map<number, ClusterNode>();
    for (const [i, id] of NODES.entries()) {
      const directory = join(dataDir, String(id));
      await mkdir(directory);
      const [port = 0, controller = 0] = ports.slice(2 * i);
      const file = join(directory, 'server.properties');
      await writeFile(file, properties(directory, id, [port, controller], quorum));
      const data = join(directory, 'data');
      const isLimited = lastDisk !== undefined && id === NODES.at(-1);
      const disk = isLimited ? await LimitedDisk.mount(data, lastDisk, join(dataDir, 'disk.pid')) : undefined;
      const command = [...java, 'kafka.Kafka', file] as const;
      const files = { logFile: join(dataDir, `${id}.log`), pidFile: join(dataDir, `${id}.pid`) };
      nodes.set(id, {
        port,
        disk,
        process: new KafkaProcess(files, disk?.seenBy(command) ?? command, port),
      });
    }
    const cluster = new KafkaCluster(nodes);
    await Promise.all(
      NODES.map((id) => format(java, join(dataDir, String(id)), clusterId, nodes.get(id)?.disk)),
    );
    await Promise.all(NODES.map((id) => cluster.startNode(id)));
    await cluster.inSync();
    return cluster;
  }

  /** Bootstrap servers. */
  get brokers(): string {
    return [...this.#nodes.values()].map(({ port }) => `127.0.0.1:${port}`).join();
  }

  startNode(id: number): Promise<void> {
    return this.#node(id).process.start();
  }

  /** SIGTERM: it hands over what it leads. */
  stopNode(id: number): Promise<void> {
    return this.#node(id).process.stop();
  }

  /** SIGKILL. */
  killNode(id: number): Promise<void> {
    return this.#node(id).process.kill();
  }

  /** Restarts one after the other, each when the one before has caught up. */
  async rollingRestart(): Promise<void> {
    for (const id of NODES) {
      await this.stopNode(id);
      await this.startNode(id);
      await this.inSync();
    }
  }

  /** Ends all of them at once; their data stay. */
  async killAll(): Promise<void> {
    await Promise.all(NODES.map((id) => this.killNode(id)));
  }

  async startAll(): Promise<void> {
    await Promise.all(NODES.map((id) => this.startNode(id)));
    await this.inSync();
  }

  /** Takes all the room that is left on the last node's disk, and waits until it ends of that. Answers which it is. */
  async fillDisk(): Promise<number> {
    const id = NODES.at(-1)!;
    const { disk, process } = this.#node(id);
    disk!.fill();
    await process.ended();
    return id;
  }

  /** Gives the room back, and starts the node that had none. */
  async freeDisk(): Promise<void> {
    const id = NODES.at(-1)!;
    await this.#node(id).disk!.free();
    await this.startNode(id);
    await this.inSync();
  }

  /** Waits until every partition has all its replicas in sync. */
  async inSync(): Promise<void> {
    const isWhole = async () => {
      const topics = await this.#topics();
      const partitions = topics.flatMap((one) => one.partitions);
      return (
        (await this.#admin.describeCluster()).brokers.length === NODES.length &&
        partitions.every(({ leader, isr, replicas }) => leader >= 0 && isr.length === replicas.length)
      );
    };
    await waitUntil('all replicas are in sync', () => isWhole().catch(() => false), CATCH_UP);
  }

  /** The node that leads a partition. */
  async leaderOf(topic: string, partition = 0): Promise<number> {
    const found = (await this.#topics()).find(({ name }) => name === topic);
    return found!.partitions.find(({ partitionId }) => partitionId === partition)!.leader;
  }

  /** The node that coordinates every consumer group: they have one partition for their offsets. */
  coordinator(): Promise<number> {
    return this.leaderOf('__consumer_offsets');
  }

  /** Moves the leader of every partition of these topics to its next replica, as balancing does: no node goes away. */
  async moveLeaders(choose: (topic: string) => boolean): Promise<void> {
    const topics = (await this.#topics())
      .filter(({ name }) => choose(name))
      .map(({ name, partitions }) => ({
        topic: name,
        partitionAssignment: partitions.map(({ partitionId, replicas: [first, ...others] }) => ({
          partition: partitionId,
          replicas: [...others, first!],
        })),
      }));
    await this.#admin.alterPartitionReassignments({ topics });
    const [node] = this.#nodes.values();
    await electPreferredLeaders('127.0.0.1', node!.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#admin.disconnect();
    // All at once: the last two have no quorum to end in order with.
    const running = [...this.#nodes.values()].filter(({ process }) => process.isRunning);
    await Promise.all(running.map(({ process }) => process.kill()));
    for (const { disk } of this.#nodes.values()) disk?.unmount();
  }

  async #topics() {
    await this.#admin.connect();
    return (await this.#admin.fetchTopicMetadata()).topics;
  }

  #node(id: number): ClusterNode {
    return this.#nodes.get(id)!;
  }
}

/** Call at a test file's top level. */
export const kafkaCluster = (options: Omit<Options, 'dataDir'> = {}) =>
  serverForTests((dataDir) => KafkaCluster.start({ dataDir, ...options }));

async function format(
  java: readonly [string, ...string[]],
  directory: string,
  clusterId: string,
  disk: LimitedDisk | undefined,
): Promise<void> {
  const config = `--config=${join(directory, 'server.properties')}`;
  const command = [
    ...java,
    'kafka.tools.StorageTool',
    'format',
    `--cluster-id=${clusterId}`,
    config,
  ] as const;
  const [program, ...args] = disk?.seenBy(command) ?? command;
  await run(program, args, { timeoutMs: 60_000 });
}

const properties = (
  directory: string,
  id: number,
  [port, controller]: readonly [number, number],
  quorum: string,
): string =>
  [
    'process.roles=broker,controller',
    `node.id=${id}`,
    `log.dirs=${join(directory, 'data')}`,
    `listeners=INTERNAL://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    `advertised.listeners=INTERNAL://127.0.0.1:${port}`,
    'listener.security.protocol.map=INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name=INTERNAL',
    'controller.listener.names=CONTROLLER',
    `controller.quorum.voters=${quorum}`,
    'auto.create.topics.enable=false',
    'auto.leader.rebalance.enable=false',
    'group.initial.rebalance.delay.ms=0',
    'default.replication.factor=3',
    'offsets.topic.num.partitions=1',
    'offsets.topic.replication.factor=3',
    'transaction.state.log.num.partitions=1',
    'transaction.state.log.replication.factor=3',
    'broker.session.timeout.ms=4000',
    'broker.heartbeat.interval.ms=500',
    'log.cleaner.dedupe.buffer.size=16777216',
    '',
  ].join('\n');
