import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * Prometheus metrics of one process. Names begin with `penstock_`; labels are of low cardinality (a topic's name or an
 * integration's id at most).
 */
export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  /** Called before the figures are read, for counts that are kept elsewhere: counting here for each message is dear. */
  const beforeRead = new Set<() => void>();
  return {
    registry,
    beforeRead,
    /** Records on Kafka that could not be decoded or did not validate, and were stepped over. */
    undecodable: new Counter({
      name: 'penstock_undecodable_records_total',
      help: 'Records on Kafka that could not be decoded and were stepped over.',
      labelNames: ['topic'],
      registers,
    }),
    /** Validation replies nobody waits for: repeated, late, or for another run of this node. */
    strayReplies: new Counter({
      name: 'penstock_stray_replies_total',
      help: 'Validation replies that nobody waits for.',
      registers,
    }),
    /** Messages taken in, by how they came and what became of them. */
    takenIn: new Counter({
      name: 'penstock_ingress_messages_total',
      help: 'Messages taken in: stored = in Kafka for every match, unmatched = no integration wants it, failed = not acknowledged, dropped = QoS 0 that Kafka did not take, refused = never to be taken in, as the client was told.',
      labelNames: ['protocol', 'result'],
      registers,
    }),
    mqttConnections: new Gauge({
      name: 'penstock_mqtt_connections',
      help: 'MQTT connections that are open.',
      registers,
    }),
    mqttDisconnects: new Counter({
      name: 'penstock_mqtt_disconnects_total',
      help: 'MQTT connections that ended, by reason.',
      labelNames: ['reason'],
      registers,
    }),
    mqttSessionsForgotten: new Counter({
      name: 'penstock_mqtt_sessions_forgotten_total',
      help: 'Sessions of MQTT clients forgotten before their expiry, to bound memory.',
      registers,
    }),
    /** Messages of an integration by what became of them; see StatisticsReport. */
    messages: new Counter({
      name: 'penstock_integration_messages_total',
      help: 'Messages of an integration: received, delivered, dead_lettered, skipped, released (left to the next run or another executor), undecodable, retention_lost.',
      labelNames: ['integration', 'result'],
      registers,
      collect: () => {
        for (const bringUpToDate of beforeRead) bringUpToDate();
      },
    }),
    /** Attempts that failed, by failure class. */
    failures: new Counter({
      name: 'penstock_integration_failures_total',
      help: 'Failed attempts of an integration by failure class.',
      labelNames: ['integration', 'class'],
      registers,
    }),
    latency: new Histogram({
      name: 'penstock_integration_latency_seconds',
      help: 'Time from taking a message in to its delivery.',
      labelNames: ['integration'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600],
      registers,
    }),
    lag: new Gauge({
      name: 'penstock_integration_lag',
      help: 'Messages in the partitions of this executor that are not settled.',
      labelNames: ['integration'],
      registers,
    }),
    oldestAge: new Gauge({
      name: 'penstock_integration_oldest_age_seconds',
      help: 'Age of the oldest message that is taken in and not settled; 0 = there is none.',
      labelNames: ['integration'],
      registers,
    }),
    /** See docs/scaling.md. */
    topicsGrown: new Counter({
      name: 'penstock_message_topics_grown_total',
      help: 'Message topics that were given more partitions: the order of keys that moved began anew.',
      registers,
    }),
    /** Reports and events that were not sent or stored, because of a limit. */
    suppressed: new Counter({
      name: 'penstock_suppressed_reports_total',
      help: 'Reports that were counted but not sent, by a limit.',
      labelNames: ['kind'],
      registers,
    }),
  };
}
