import { createHash } from 'node:crypto';
import { clone, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampDate, timestampFromDate, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type Integration, IntegrationStatusSchema } from '../../../gen/penstock/v1/integration_pb.ts';
import type {
  IntegrationFilter,
  WatchIntegrationsResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import type { Clock } from '../../runtime/clock.ts';
import { isInScope, type Scoped, withinScope } from '../access/scope.ts';
import type { Cluster } from '../status/cluster.ts';
import type { Database } from '../store/database.ts';
import { type IntegrationSelection, listIntegrations } from '../store/integrations.ts';
import { loadCluster } from '../store/nodes.ts';
import { type Changes, changesSince, settledVersion, type Version } from '../store/versions.ts';
import { loadAnswers } from './answer.ts';
import { selectionOf } from './integration-filter.ts';

type Answer = MessageInitShape<typeof WatchIntegrationsResponseSchema>;

/** Integrations that are loaded at a time. */
const PAGE = 200;

interface WatchDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly caller: Scoped;
}

/**
 * What one caller who watches integrations is to be told. Only what was sent is remembered, as a digest: however much
 * changes while the caller does not read, it is told the state of now.
 */
export class IntegrationWatch {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #caller: Scoped;
  readonly #filter: IntegrationFilter | undefined;
  readonly #selection: IntegrationSelection;
  /** By id, what was sent last of the integrations that pass the filter. */
  readonly #sent = new Map<string, string>();
  #version: Version | undefined;
  /** The nodes that the states that were sent rest on. */
  #nodes = '';

  constructor({ db, clock, caller }: WatchDeps, filter: IntegrationFilter | undefined) {
    this.#db = db;
    this.#clock = clock;
    this.#caller = caller;
    this.#filter = filter;
    this.#selection = withinScope(caller, selectionOf(filter));
  }

  /** What is new since the call before; with the first call, everything. */
  async *poll(): AsyncGenerator<Answer> {
    const changes = await this.#changes();
    const cluster = await loadCluster(this.#db);
    const nodes = signatureOf(cluster);
    yield* this.#some(changes.ids, cluster);
    if (nodes !== this.#nodes) yield* this.#all(cluster); // any state may have changed
    for (const { integration, time } of changes.deleted) {
      if (!this.#sent.delete(integration.id)) continue;
      yield { ...this.#lastOf(integration), deleted: true, time: timestampFromDate(time) };
    }
    this.#version = changes.version;
    this.#nodes = nodes;
  }

  async #changes(): Promise<Changes> {
    if (this.#version !== undefined) return changesSince(this.#db, this.#version);
    return { ids: [], deleted: [], version: await settledVersion(this.#db) };
  }

  async *#all(cluster: Cluster): AsyncGenerator<Answer> {
    for (let after: { time: Date; id: string } | undefined; ; ) {
      const page = await listIntegrations(this.#db, this.#selection, { after, limit: PAGE });
      yield* this.#tell(await loadAnswers(this.#db, page, cluster), true);
      const last = page.at(-1)?.integration;
      if (!last || page.length < PAGE) return;
      after = { time: timestampDate(last.createTime!), id: last.id };
    }
  }

  async *#some(ids: readonly string[], cluster: Cluster): AsyncGenerator<Answer> {
    for (let start = 0; start < ids.length; start += PAGE) {
      const page = ids.slice(start, start + PAGE);
      const found = await listIntegrations(this.#db, { ...this.#selection, ids: page });
      yield* this.#tell(await loadAnswers(this.#db, found, cluster), true);
      // Those that were sent and do not pass the filter any more.
      const passing = new Set(found.map(({ integration }) => integration.id));
      const left = page.filter((id) => this.#sent.has(id) && !passing.has(id));
      if (left.length === 0) continue;
      const others = await listIntegrations(this.#db, { ids: left });
      const known = others.filter(({ integration }) => isInScope(this.#caller, integration));
      yield* this.#tell(await loadAnswers(this.#db, known, cluster), false);
      for (const { integration } of others) {
        if (isInScope(this.#caller, integration) || !this.#sent.delete(integration.id)) continue;
        yield { ...this.#lastOf(integration), deleted: true, time: timestampFromMs(this.#clock.now()) };
      }
    }
  }

  /** One that is not there any more for the caller: of what is not in its scope, no more than the id. */
  #lastOf(integration: Integration): Answer {
    return { integration: isInScope(this.#caller, integration) ? integration : { id: integration.id } };
  }

  *#tell(integrations: readonly Integration[], isSelected: boolean): Generator<Answer> {
    const states = this.#filter?.states ?? [];
    for (const integration of integrations) {
      const { id, status } = integration;
      const passes = isSelected && (states.length === 0 || states.includes(status!.state));
      if (!passes && !this.#sent.has(id)) continue;
      const digest = digestOf(integration);
      if (passes && this.#sent.get(id) === digest) continue;
      if (passes) this.#sent.set(id, digest);
      else this.#sent.delete(id);
      yield { integration, time: timestampFromMs(this.#clock.now()) };
    }
  }
}

/** What of the nodes a status may rest on. */
function signatureOf(cluster: Cluster): string {
  const nodes = [...cluster.values()].map(({ serviceId, startTime, isLiving, stopping, report }) => {
    return [serviceId, startTime.getTime(), isLiving, stopping, report.roles, report.types];
  });
  return JSON.stringify(nodes);
}

/** Differs when the integration or its status does, figures apart. */
function digestOf({ etag, status }: Integration): string {
  const counted = clone(IntegrationStatusSchema, status!);
  delete counted.lag;
  delete counted.lastDeliveredTime;
  for (const executor of counted.executors) delete executor.oldestAge;
  const hash = createHash('sha1').update(etag).update(toBinary(IntegrationStatusSchema, counted));
  return hash.digest('base64url');
}
