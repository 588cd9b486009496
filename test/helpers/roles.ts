import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createKafkaBus } from '../../src/bus/kafka-bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { kafkaForTests } from './kafka.ts';
import { onEnd } from './on-end.ts';
import { PenstockRun } from './penstock.ts';
import { databaseForTests } from './postgres.ts';
import { secretKeysText, TEST_KEY_ID } from './secret-keys.ts';
import { testDeps } from './test-deps.ts';

/** A directory for what the processes printed. */
const LOGS = process.env.PENSTOCK_TEST_LOGS;

/** A role, or several, in a process of its own that is ready. */
export class RoleRun extends PenstockRun {
  /** `host:port`, from the log. */
  override address(word: 'gRPC' | 'HTTP' | 'MQTT'): string {
    return this.#said(`${word.toLowerCase()}Address`);
  }

  get roles(): string {
    return this.#said('roles');
  }

  #said(what: string): string {
    const line = this.errors.split('\n').find((one) => one.includes('penstock is ready'));
    const found: unknown = JSON.parse(line ?? '{}')[what];
    if (typeof found !== 'string') throw new Error(`no ${what} in:\n${this.errors}`);
    return found;
  }

  /** The value of a metric; `labels` as Prometheus writes them, if it has any. Zero when it is not there. */
  async metric(name: string, labels?: string): Promise<number> {
    const full = labels === undefined ? name : `${name}{${labels}}`;
    const response = await fetch(`http://${this.address('HTTP')}/metrics`);
    const line = (await response.text()).split('\n').find((one) => one.startsWith(`${full} `));
    return Number(line?.split(' ').at(-1) ?? 0);
  }
}

const always = (value: string) => () => value;

/** The servers of an installation, when they are the test's own. */
export interface Servers {
  /** Kafka's bootstrap servers as this node sees them. */
  readonly brokersOf?: (serviceId: string) => string;
  /** Of an empty database. */
  readonly postgresUrl?: string;
}

/** What the processes of one installation share: a Kafka, with topics of their own, and a PostgreSQL. */
export async function installationForTests(t: TestContext, servers: Servers = {}) {
  const shownTo = servers.brokersOf ?? always(await kafkaForTests());
  const brokers = shownTo('test');
  const deps = testDeps();
  const bus = createKafkaBus({ brokers: brokers.split(','), clientId: 'test', replication: 1 }, deps);
  onEnd(t, () => bus[Symbol.asyncDispose]());
  const prefix = `t${randomBytes(5).toString('hex')}`;
  const shared = {
    PENSTOCK_POSTGRES_URL: servers.postgresUrl ?? (await databaseForTests(t)),
    PENSTOCK_KAFKA_PREFIX: prefix,
    PENSTOCK_SECRET_KEYS: secretKeysText(TEST_KEY_ID),
    PENSTOCK_GRPC_PORT: '0',
    PENSTOCK_HTTP_PORT: '0',
    PENSTOCK_MQTT_PORT: '0',
    INTEGRATIONS_CHECK_API_REQUEST_TIMEOUT_SEC: '5',
    PENSTOCK_TOPIC_DELETION_DELAY: '500',
  };
  /** Starts a process; stopped after the test. */
  const start = async (command: string, serviceId: string, env: NodeJS.ProcessEnv = {}): Promise<RoleRun> => {
    const own = { TB_SERVICE_ID: serviceId, TB_KAFKA_SERVERS: shownTo(serviceId) };
    const run = new RoleRun([command], { ...shared, ...own, ...env });
    onEnd(t, async () => {
      await run.release();
      if (LOGS) await writeFile(join(LOGS, `${serviceId}.log`), run.output);
    });
    await run.says('penstock is ready');
    return run;
  };
  /** Runs a command of the installation to its end, which must be a good one. */
  const run = async (args: readonly string[]): Promise<PenstockRun> => {
    const command = new PenstockRun(args, { ...shared, TB_SERVICE_ID: 'admin', TB_KAFKA_SERVERS: brokers });
    onEnd(t, () => command.stop('SIGKILL'));
    const code = await command.end();
    if (code !== 0) throw new Error(`penstock ${args.join(' ')} ended with ${code}:\n${command.output}`);
    return command;
  };
  return { bus, brokers, prefix, topics: topicsOf(prefix), start, run };
}

export type Installation = Awaited<ReturnType<typeof installationForTests>>;
