/** What becomes of a message; see StatisticsReport. */
export const RESULTS = [
  'received',
  'delivered',
  'dead_lettered',
  'skipped',
  'released',
  'undecodable',
  'retention_lost',
] as const;
export type Result = (typeof RESULTS)[number];

/** Integrations whose figures are written in one go: hardly a millisecond. */
const SLICE = 500;

/** What is measured of a part of an integration that runs here. */
export interface Backlog {
  readonly lag: number;
  /** Milliseconds. */
  readonly oldestAge: number;
}

/** The figures of one integration since this process first ran it. Plain numbers: they are counted for each message. */
export class IntegrationFigures {
  readonly messages: Record<Result, number>;
  /** Attempts that failed, by failure class. */
  readonly failures = new Map<string, number>();
  /** From taking in to delivery, of all that were delivered. */
  deliverySeconds = 0;
  /** Its parts here. */
  readonly backlogs = new Set<Backlog>();

  constructor() {
    this.messages = Object.fromEntries(RESULTS.map((result) => [result, 0])) as Record<Result, number>;
  }

  failed(failureClass: string): void {
    this.failures.set(failureClass, (this.failures.get(failureClass) ?? 0) + 1);
  }
}

interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly labels: readonly string[];
  /** The value of each series of an integration, with what its labels say besides `integration`. */
  series(figures: IntegrationFigures): Iterable<readonly [labels: string, value: number]>;
}

const FAMILIES: readonly Family[] = [
  {
    name: 'penstock_integration_messages_total',
    type: 'counter',
    help: 'Messages of an integration: received, delivered, dead_lettered, skipped, released (left to the next run or another executor), undecodable, retention_lost.',
    labels: ['integration', 'result'],
    series: ({ messages }) => RESULTS.map((result) => [`,result="${result}"`, messages[result]]),
  },
  {
    name: 'penstock_integration_failures_total',
    type: 'counter',
    help: 'Failed attempts of an integration by failure class.',
    labels: ['integration', 'class'],
    series: ({ failures }) => [...failures].map(([name, count]) => [`,class="${name}"`, count]),
  },
  {
    name: 'penstock_integration_delivery_seconds_total',
    type: 'counter',
    help: 'Time from taking messages in to their delivery, added up over those that were delivered.',
    labels: ['integration'],
    series: ({ deliverySeconds }) => [['', deliverySeconds]],
  },
  {
    name: 'penstock_integration_lag',
    type: 'gauge',
    help: 'Messages in the partitions of this executor that are not settled.',
    labels: ['integration'],
    series: ({ backlogs }) => [['', [...backlogs].reduce((sum, { lag }) => sum + lag, 0)]],
  },
  {
    name: 'penstock_integration_oldest_age_seconds',
    type: 'gauge',
    help: 'Age of the oldest message that is taken in and not settled; 0 = there is none.',
    labels: ['integration'],
    series: ({ backlogs }) => [['', Math.max(0, ...[...backlogs].map(({ oldestAge }) => oldestAge)) / 1000]],
  },
];

/**
 * The series of each integration. They are thousands: written by hand, for a client library spends a hundred times as long
 * on each, and in slices.
 */
export class IntegrationMetrics {
  readonly families: readonly Omit<Family, 'series'>[] = FAMILIES;
  readonly #figures = new Map<string, IntegrationFigures>();

  /** The figures of an integration, begun with the first call. */
  of(integration: string): IntegrationFigures {
    const figures = this.#figures.get(integration) ?? new IntegrationFigures();
    this.#figures.set(integration, figures);
    return figures;
  }

  /** Drops every figure of an integration that this process no longer runs. */
  forget(integration: string): void {
    this.#figures.delete(integration);
  }

  /** As Prometheus reads it, in slices: do other things in between. */
  *text(): Generator<string> {
    for (const { name, type, help, series } of FAMILIES) {
      let slice = `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
      let count = 0;
      for (const [integration, figures] of this.#figures) {
        for (const [labels, value] of series(figures))
          slice += `${name}{integration="${integration}"${labels}} ${value}\n`;
        if (++count % SLICE > 0) continue;
        yield slice;
        slice = '';
      }
      yield `${slice}\n`;
    }
  }
}
