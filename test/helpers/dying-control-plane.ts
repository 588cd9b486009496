import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import type { Bus, OutgoingRecord } from '../../src/bus/bus.ts';
import { createKafkaBus } from '../../src/bus/kafka-bus.ts';
import { type Topics, topicsOf } from '../../src/bus/topics.ts';
import type { ControlPlaneConfig } from '../../src/control-plane/config.ts';
import { startControlPlane } from '../../src/control-plane/control-plane.ts';
import { startRpcServer } from '../../src/rpc/server.ts';
import { runApart } from './run-apart.ts';
import { testDeps } from './test-deps.ts';

/** Where the node dies, once it is armed. */
export type Point =
  /** What is to be published is committed; nothing is published. */
  | 'before publishing'
  /** Kafka has the first record, and none of those that follow. */
  | 'between two records'
  /** Kafka has all; the outbox has them still. */
  | 'after publishing'
  /** The topic of a new integration is there, or has grown; the integration, or the change, is not saved. */
  | 'after creating a topic'
  /** The topics of a deleted integration are gone; what is left of it is not. */
  | 'after deleting topics';

interface Options {
  readonly config: ControlPlaneConfig;
  readonly brokers: string;
  readonly prefix: string;
  readonly point: Point;
}

/** A control-plane node in a process of its own, which is killed (SIGKILL, by itself) at a point of its work. */
export async function dyingControlPlane(t: TestContext, options: Options) {
  const code = `const { run } = await import(root + 'test/helpers/dying-control-plane.ts');
    await run(${JSON.stringify(options)});`;
  const { child, firstLine } = await runApart(t, code);
  const died = new Promise<NodeJS.Signals | null>((resolve) =>
    child.once('exit', (_, signal) => resolve(signal)),
  );
  return {
    address: firstLine,
    died,
    kill: () => child.kill('SIGKILL'),
    /** It hangs, with every connection open. */
    pause: () => child.kill('SIGSTOP'),
    goOn: () => child.kill('SIGCONT'),
    /** From now on it dies when it comes to the point. */
    async arm(): Promise<void> {
      const armed = new Promise((resolve) => child.stdout?.once('data', resolve));
      child.stdin?.write('arm\n');
      await armed;
    },
  };
}

/** What runs in that process. Prints its gRPC address, then a line when it is armed. */
export async function run({ config, brokers, prefix, point }: Options): Promise<void> {
  const deps = testDeps();
  const topics = topicsOf(prefix);
  const connection = { brokers: brokers.split(','), clientId: 'dying', replication: 1 };
  const deadly = deadlyBus(createKafkaBus(connection, deps), topics, point);
  const controlPlane = await startControlPlane(config, { ...deps, topics, bus: deadly.bus });
  const ports = { host: '127.0.0.1', grpcPort: 0, httpPort: 0 };
  const server = await startRpcServer({ ...deps, ...ports, services: controlPlane.services });
  console.log(server.grpcAddress);
  createInterface(process.stdin).once('line', () => {
    deadly.arm();
    console.log('armed');
  });
}

function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => {}); // the signal takes a moment
}

/** The bus, until the point is reached. */
function deadlyBus(bus: Bus, topics: Topics, point: Point) {
  let armed = false;
  let sending = 0;
  let first: Promise<void> | undefined;
  const sendDownlink = async (topic: string, record: OutgoingRecord): Promise<void> => {
    if (point === 'before publishing') return die();
    if (point === 'between two records') {
      const before = first;
      first ??= bus.send(topic, record);
      await first;
      if (before) await die();
      return new Promise(() => {}); // the relay waits for all of them
    }
    sending++;
    await bus.send(topic, record);
    if (--sending === 0 && point === 'after publishing') await die();
  };
  const deadly: Bus = {
    ...bus,
    send: (topic, record) =>
      armed && topic.startsWith(topics.downlink('').name)
        ? sendDownlink(topic, record)
        : bus.send(topic, record),
    async createTopics(all) {
      await bus.createTopics(all);
      if (armed && point === 'after creating a topic') await die();
    },
    async deleteTopics(names) {
      await bus.deleteTopics(names);
      if (armed && point === 'after deleting topics') await die();
    },
  };
  return {
    bus: deadly,
    arm() {
      armed = true;
    },
  };
}
