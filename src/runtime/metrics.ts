import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { IntegrationMetrics } from './integration-metrics.ts';
import { LATENCY_BOUNDS } from './latency.ts';

/**
 * Prometheus metrics of one process. Names begin with `penstock_`; labels are of low cardinality (a topic's name at
 * most); what there is of each integration is apart.
 */
export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    integrations: new IntegrationMetrics(),
    /** Records on Kafka that could not be decoded or did not validate, and were stepped over. */
    undecodable: new Counter({
      name: 'penstock_undecodable_records_total',
      help: 'Records on Kafka, and API tokens in them, that could not be read and were stepped over.',
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
      help: 'MQTT connections that are open, by what they came over: tcp or websocket.',
      labelNames: ['transport'],
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
    mqttNotesFailed: new Counter({
      name: 'penstock_mqtt_session_notes_failed_total',
      help: 'Notes of QoS 2 messages that Kafka did not take, or a try to take one back: after a restart some may come twice.',
      registers,
    }),
    httpCrowdedOut: new Counter({
      name: 'penstock_http_crowded_out_total',
      help: 'What had no room on the HTTP port: connection = cut without a whole request, or not let in, request = refused with 503.',
      labelNames: ['what'],
      registers,
    }),
    tlsHandshakesFailed: new Counter({
      name: 'penstock_tls_handshakes_failed_total',
      help: 'Connections that ended before their TLS handshake did: no fitting certificate, version or name, or too slow.',
      labelNames: ['protocol'],
      registers,
    }),
    tlsExpiry: new Gauge({
      name: 'penstock_tls_certificate_expiry_seconds',
      help: 'When the certificate of the listeners ends, in seconds since 1970; 0 = there is none.',
      registers,
    }),
    auditLost: new Counter({
      name: 'penstock_audit_records_lost_total',
      help: 'Audit records of calls that were not kept: rate = of refused calls beyond what is kept of one caller, failed = PostgreSQL did not take it.',
      labelNames: ['reason'],
      registers,
    }),
    oidcRefused: new Counter({
      name: 'penstock_oidc_refused_total',
      help: 'Tokens of the OpenID Connect provider that let nobody in: malformed, key = not signed by a known key as it may be, expired = before or after its time, claims = for somebody else, role = of somebody without a role.',
      labelNames: ['reason'],
      registers,
    }),
    oidcFailures: new Counter({
      name: 'penstock_oidc_provider_failures_total',
      help: 'Tries to read the keys of the OpenID Connect provider that failed.',
      registers,
    }),
    /** By type: of each integration there is the sum alone, for the buckets would be most of what is served. */
    latency: new Histogram({
      name: 'penstock_integration_latency_seconds',
      help: 'Time from taking a message in to its delivery, by the type of the integration.',
      labelNames: ['type'],
      buckets: [...LATENCY_BOUNDS],
      registers,
    }),
    /** See docs/scaling.md. */
    topicsGrown: new Counter({
      name: 'penstock_message_topics_grown_total',
      help: 'Message topics that were given more partitions: the order of keys that moved began anew.',
      registers,
    }),
    outboxAge: new Gauge({
      name: 'penstock_outbox_oldest_age_seconds',
      help: 'Age of the oldest change of an integration that Kafka does not have, on the control plane that publishes; 0 = there is none.',
      registers,
    }),
    deadLettersRemoved: new Counter({
      name: 'penstock_dead_letters_removed_total',
      help: "Dead letters that Kafka's retention removed before they were put back.",
      registers,
    }),
    watchedMessages: new Counter({
      name: 'penstock_watched_messages_total',
      help: 'Messages for callers who watch message topics: told, left_out = beyond a rate, or not read in time.',
      labelNames: ['result'],
      registers,
    }),
    logins: new Counter({
      name: 'penstock_logins_total',
      help: 'Logins with a browser: succeeded, wrong = name, password, token or what a provider says, limited = too many tries, failed = it could not be found out.',
      labelNames: ['result'],
      registers,
    }),
    answersCut: new Counter({
      name: 'penstock_api_answers_cut_total',
      help: 'Answers of the API that were given up because their callers did not read them: stalled = nothing for 30 s, memory = the one that waited longest, when all callers had left too much unread.',
      labelNames: ['protocol', 'reason'],
      registers,
    }),
    grpcConnections: new Gauge({
      name: 'penstock_grpc_connections',
      help: 'gRPC connections that are open.',
      registers,
    }),
    grpcConnectionsCut: new Counter({
      name: 'penstock_grpc_connections_cut_total',
      help: 'gRPC connections that were cut: silent = no whole preface within 5 s, pings or settings = too many of these frames, crowded_out = the longest without a call, when there were too many, refused = not let in, as all others had calls.',
      labelNames: ['reason'],
      registers,
    }),
    requestsCut: new Counter({
      name: 'penstock_grpc_requests_cut_total',
      help: 'Requests over gRPC that were cut before they were whole: slow = not within 30 s, crowded_out = the one that began first, of too many, memory = the same, when all together held too much.',
      labelNames: ['reason'],
      registers,
    }),
    trials: new Counter({
      name: 'penstock_deliveries_tried_total',
      help: 'Deliveries of one message that were asked for, to try a configuration: delivered, failed.',
      labelNames: ['result'],
      registers,
    }),
    callsRefused: new Counter({
      name: 'penstock_api_calls_refused_total',
      help: 'Calls of the API that were refused with RESOURCE_EXHAUSTED: calls = too many being answered, calls_of_caller = too many of this caller, rate = too often.',
      labelNames: ['reason'],
      registers,
    }),
    statisticsMoved: new Counter({
      name: 'penstock_statistics_rows_total',
      help: 'Rows of the history of figures: folded = added to one of a longer time, expired = deleted since they were too old.',
      labelNames: ['what'],
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

/** Everything as Prometheus reads it, in slices that let other things happen in between, however much it is. */
export async function* metricsText({ registry, integrations }: Metrics): AsyncGenerator<string> {
  yield `${await registry.metrics()}\n`;
  for (const slice of integrations.text()) {
    yield slice;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
