import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MqttTransport } from '../../gen/penstock/v1/mqtt_pb.ts';
import { createTargetGuard } from '../../src/runtime/target-guard.ts';
import { bound } from '../helpers/handler.ts';
import { type MqttInit, toBroker } from '../helpers/mqtt-handler.ts';

const guard = createTargetGuard(true);
const basic = { credentials: { case: 'basic' as const, value: { username: 'u' } } };
const pem = { credentials: { case: 'pem' as const, value: { caCert: 'garbage' } } };
const { WEBSOCKET } = MqttTransport;

const problems = (value: MqttInit) =>
  bound(toBroker(1883, { sendOnlyMsgPayload: false, ...value }))
    .validate(guard)
    .map(({ field, description }) => `${field}: ${description}`);

const ROWS: readonly (readonly [what: string, value: MqttInit, ...problems: RegExp[]])[] = [
  ['nothing', {}],
  [
    'placeholders',
    { topicName: 'pub/${topic}/${payload.a[0]}', bodyTemplate: '{"a": ${payload}, "b": "$${"}' },
  ],
  ['an unknown placeholder', { topicName: '${tpoic}' }, /^topic_name: there is no placeholder \$\{tpoic\}/],
  ['half a placeholder', { bodyTemplate: 'a ${' }, /^body_template: has \$\{ without a \}/],
  [
    'a body in two ways',
    { bodyTemplate: 'a', sendOnlyMsgPayload: true },
    /^body_template: .*send_only_msg_payload.*leave one/,
  ],
  ['a path over TCP', { websocketPath: '/mqtt' }, /^websocket_path: .*set transport/],
  ['a path over WebSocket', { websocketPath: '/mqtt', transport: WEBSOCKET }],
  ['certificates without TLS', { credentials: pem }, /^credentials\.pem: .*set ssl/],
  ['other certificates without TLS', { tls: {}, credentials: basic }, /^tls: .*set ssl/],
  ['an authority that is none', { ssl: true, credentials: pem }, /^credentials\.pem: cannot be read/],
  ['half a client certificate', { ssl: true, tls: { cert: 'x' } }, /^tls: .*needs cert and private_key/],
  [
    'certificates twice',
    { ssl: true, tls: {}, credentials: { credentials: { case: 'pem', value: {} } } },
    /^tls: .*credentials\.pem.*leave one/,
  ],
  ['a prefix of a fixed client id', { clientId: 'a', clientIdPrefix: 'b' }, /^client_id_prefix: /],
  [
    'static client ids',
    { staticClientIds: [{ clientId: 'a', username: 'u', password: 'p' }, { clientId: 'b' }] },
  ],
  [
    'static client ids and what they replace',
    { staticClientIds: [{ clientId: 'a', password: 'p' }], clientId: 'b', clientIdPrefix: 'c', poolSize: 1 },
    /^client_id_prefix: .*only without client_id/,
    /^client_id: .*static_client_ids/,
    /^client_id_prefix: .*static_client_ids/,
    /^pool_size: .*static_client_ids/,
    /^static_client_ids\[0\]\.username: /,
  ],
];

for (const [what, value, ...expected] of ROWS) {
  test(`an MQTT configuration with ${what}: ${expected.length === 0 ? 'right' : 'told what is wrong'}`, () => {
    const found = problems(value);
    assert.equal(found.length, expected.length, found.join('; '));
    for (const [i, pattern] of expected.entries()) assert.match(found[i]!, pattern);
  });
}
