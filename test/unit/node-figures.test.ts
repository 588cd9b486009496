import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { durationMs } from '@bufbuild/protobuf/wkt';
import { NodeFiguresSchema } from '../../gen/penstock/v1/cluster_service_pb.ts';
import { nodeFigures } from '../../src/bus/node-figures.ts';
import { watchEventLoop } from '../../src/runtime/clock.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { mqttWebSocketUrl } from '../../src/runtime/mqtt-websocket-url.ts';
import { readSettings } from '../../src/runtime/settings.ts';

test('the figures of a node add up what came over each protocol and transport', async () => {
  const metrics = createMetrics();
  const counts = { stored: 5, unmatched: 4, failed: 3, dropped: 2, refused: 1 };
  for (const [result, count] of Object.entries(counts)) {
    metrics.takenIn.inc({ protocol: 'mqtt', result }, count);
    metrics.takenIn.inc({ protocol: 'grpc', result }, 10);
  }
  metrics.mqttConnections.inc({ transport: 'tcp' }, 3);
  metrics.mqttConnections.inc({ transport: 'websocket' }, 4);
  const eventLoop = { longestDelay: () => 12.3456789 };
  const figures = create(NodeFiguresSchema, await nodeFigures({ metrics, eventLoop }));
  const { takenIn, unmatched, failed, dropped, refused, mqttConnections } = figures;
  assert.deepEqual([takenIn, unmatched, failed, dropped, refused], [15n, 14n, 13n, 12n, 11n]);
  assert.equal(mqttConnections, 7n);
  assert.equal(durationMs(figures.eventLoopDelay!), 12);
  assert.ok(toBinary(NodeFiguresSchema, figures).length > 0);
  const { user, system } = process.cpuUsage();
  assert.ok(figures.cpuSeconds > 0 && figures.cpuSeconds <= (user + system) / 1e6);
  assert.ok(figures.rssBytes > 10_000_000n);
});

test('how long the event loop was held up is told once', async () => {
  using watch = watchEventLoop();
  const looks = () => new Promise((resolve) => setTimeout(resolve, 60));
  await looks();
  const end = performance.now() + 500;
  while (performance.now() < end);
  await looks();
  assert.ok(watch.longestDelay() >= 400);
  assert.equal(watch.longestDelay(), 0, 'nothing was looked at since');
});

test('an ingress knows its WebSocket by the address that it listens on, or as it is told', () => {
  const url = (environment: Record<string, string>) =>
    mqttWebSocketUrl(readSettings({}, environment), '10.0.0.7:8081');
  assert.equal(url({ PENSTOCK_BIND_ADDRESS: '10.0.0.7' }), 'ws://10.0.0.7:8081/mqtt');
  const tls = { PENSTOCK_TLS_CERT_FILE: 'a', PENSTOCK_TLS_KEY_FILE: 'b' };
  assert.equal(url({ PENSTOCK_BIND_ADDRESS: '10.0.0.7', ...tls }), 'wss://10.0.0.7:8081/mqtt');
  for (const all of ['0.0.0.0', '::']) assert.equal(url({ PENSTOCK_BIND_ADDRESS: all }), '');
  const told = 'wss://mqtt.example.com/mqtt';
  assert.equal(url({ PENSTOCK_BIND_ADDRESS: '0.0.0.0', PENSTOCK_MQTT_WEBSOCKET_URL: told }), told);
  for (const wrong of ['mqtt.example.com', 'https://a/mqtt', 'ws://user:secret@a/mqtt', 'ws://a/mqtt#b']) {
    assert.throws(() => url({ PENSTOCK_MQTT_WEBSOCKET_URL: wrong }), /must be a URL with ws or wss/, wrong);
  }
});
