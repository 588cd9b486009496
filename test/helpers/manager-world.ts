import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type Integration,
  IntegrationSchema,
  type IntegrationState,
} from '../../gen/penstock/v1/integration_pb.ts';
import { UplinkRecordSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import { type Bus, BusError, type Claim, type Membership, type OutgoingRecord } from '../../src/bus/bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { type KeyRing, openSecrets, sealSecrets } from '../../src/contract/sealed-secrets.ts';
import type { ExecutorConfig } from '../../src/executor/config.ts';
import { Manager } from '../../src/executor/lifecycle/manager.ts';
import { Reporter } from '../../src/executor/uplink/reporter.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';
import { createTargetGuard } from '../../src/runtime/target-guard.ts';
import { EXECUTOR } from './executor.ts';
import { FakeClock } from './fake-clock.ts';
import { testDeps } from './test-deps.ts';

export const KAFKA_AWAY = 'Kafka is away';

/** A report of a change of life, and when it was sent. */
interface Told {
  readonly at: number;
  readonly id: string;
  readonly shard: number;
  readonly generation: bigint;
  readonly state: IntegrationState;
  readonly reason: string;
}

/** A manager, and a Kafka that gives no messages, on one clock. Jitter makes each pause half of what it may be. */
export class ManagerWorld {
  readonly clock = new FakeClock(0);
  /** `end`: where each partition of a message topic ends, of which nothing is ever given. */
  readonly kafka = { isAway: false, end: 0, partitions: 1, hangs: (_topic: string) => false };
  /** When a start asked Kafka for its messages. */
  readonly tries: number[] = [];
  readonly reports: Told[] = [];
  readonly deps = {
    ...testDeps(),
    clock: this.clock,
    random: () => 0,
    startTime: 0,
    topics: topicsOf('t'),
    bus: this.#bus(),
  };
  readonly manager: Manager;

  /** @param secretKeys undefined: those of the tests */
  constructor(config: Partial<ExecutorConfig> = {}, secretKeys?: () => KeyRing) {
    const { deps } = this;
    if (secretKeys) deps.secretKeys = secretKeys;
    this.manager = new Manager({
      ...deps,
      reporter: new Reporter({ ...deps, serviceId: 'ie-0' }),
      config: { ...EXECUTOR, ...config },
      newGuard: () => createTargetGuard(true),
      inFlightBytes: new ByteLimit(1e9),
      membership: () => MEMBERSHIP,
    });
  }

  #bus(): Bus {
    const part: Partial<Bus> = {
      partitions: async (topic) => {
        this.tries.push(this.clock.now());
        this.#end();
        if (this.kafka.hangs(topic)) await new Promise(() => {});
        return Array.from({ length: this.kafka.partitions }, (_, partition) => partition);
      },
      onGrown: () => ({ [Symbol.dispose]() {} }),
      feed: ({ onPosition }) => {
        onPosition?.(0, this.kafka.end);
        return { resume() {}, backlog: async () => this.#end(), [Symbol.dispose]() {} };
      },
      send: async (_, record) => this.#report(record),
    };
    return part as Bus;
  }

  #end(): number {
    if (this.kafka.isAway) throw new BusError('failed', KAFKA_AWAY);
    return this.kafka.end;
  }

  #report({ value }: OutgoingRecord): void {
    const { integrationId: id, shard, generation, report } = fromBinary(UplinkRecordSchema, value!);
    if (report.case !== 'lifecycle') return;
    const { state, reason } = report.value;
    this.reports.push({ at: this.clock.now(), id, shard, generation, state, reason });
  }

  /** Wants an integration, as generation 1 unless it says otherwise. */
  want(id: string, init: MessageInitShape<typeof IntegrationSchema> = {}, topicIncarnation = 1): void {
    const more = { sealed: [], shard: 0, topicIncarnation, claim: CLAIM };
    this.manager.want(id, { integration: integrationOf(id, init), ...more });
  }

  /** The same, as it comes when its secrets were sealed with this key. */
  wantSealed(id: string, init: MessageInitShape<typeof IntegrationSchema>, keys: KeyRing): void {
    const { integration, unopened } = openSecrets(
      sealSecrets(integrationOf(id, init), keys),
      this.deps.secretKeys(),
    );
    const sealed = unopened.map(({ secret }) => secret);
    this.manager.want(id, { integration, sealed, shard: 0, topicIncarnation: 1, claim: CLAIM });
  }

  /** What was reported about an integration: its state, and why. */
  told(id: string): readonly (readonly [IntegrationState, string])[] {
    return this.reports.filter((one) => one.id === id).map(({ state, reason }) => [state, reason]);
  }

  async stop(): Promise<void> {
    await Promise.all([this.manager.stop(), this.clock.advance(10_000)]);
  }
}

/** An enabled integration, of generation 1 unless it says otherwise. */
export function integrationOf(
  id: string,
  init: MessageInitShape<typeof IntegrationSchema> = {},
): Integration {
  return create(IntegrationSchema, {
    id,
    name: 'an integration',
    enabled: true,
    topicFilters: ['#'],
    generation: 1n,
    configuration: { case: 'http', value: { restEndpointUrl: 'http://127.0.0.1:9' } },
    ...init,
  });
}

const MEMBERSHIP: Membership = {
  holdsLease: () => true,
  joined: Promise.resolve(),
  committed: async () => [],
  members: async () => new Set(['m']),
  async [Symbol.asyncDispose]() {},
};

const CLAIM: Claim = {
  topic: 'downlink',
  partition: 0,
  member: 'm',
  isOver: false,
  isHeld: () => true,
  async commit() {},
};
