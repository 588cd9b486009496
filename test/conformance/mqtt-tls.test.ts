import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MqttTransport } from '../../gen/penstock/v1/mqtt_pb.ts';
import { DELIVERED } from '../../src/executor/handlers/handler.ts';
import { createTargetGuard } from '../../src/runtime/target-guard.ts';
import { certificateAuthority, encrypted } from '../helpers/certificates.ts';
import { bound, connected, contextOf, never, outbound } from '../helpers/handler.ts';
import { mosquitto, passwordFile } from '../helpers/mosquitto.ts';
import { type MqttInit, toBroker } from '../helpers/mqtt-handler.ts';

const pem = (value: {
  caCert?: string;
  cert?: string;
  privateKey?: string;
  privateKeyPassword?: string;
}) => ({
  credentials: { credentials: { case: 'pem' as const, value } },
});
const basic = (password: string) => ({
  credentials: { credentials: { case: 'basic' as const, value: { username: 'penstock', password } } },
});

test('TLS and wss: an authority of one’s own, alone and beside a password', async (t) => {
  const authority = await certificateAuthority(t);
  const { cert, key } = authority.issue('broker');
  const tls = ['certfile %dir%/cert', 'keyfile %dir%/key'];
  const broker = await mosquitto(t, {
    general: ['allow_anonymous false', 'password_file %dir%/passwords'],
    listeners: [tls, [...tls, 'protocol websockets']],
    files: { cert, key, passwords: await passwordFile(t, 'penstock', 's3cret') },
  });
  for (const [i, transport] of [MqttTransport.TCP, MqttTransport.WEBSOCKET].entries()) {
    const to = (value: MqttInit) => toBroker(broker.ports[i]!, { ssl: true, transport, ...value });
    const trusted = to({ tls: { caCert: authority.ca }, ...basic('s3cret') });
    const handler = await connected(t, trusted);
    assert.deepEqual(await handler.deliver([outbound('hello')], never), [DELIVERED]);
    assert.equal((await bound(trusted).check(contextOf(), never)).reachable, true);
    for (const [value, reason] of [
      [{ tls: { caCert: authority.ca }, ...basic('wrong') }, /not authorized/],
      [{ tls: { caCert: authority.ca } }, /not authorized/],
      [pem({ caCert: authority.ca }), /not authorized/],
      [basic('s3cret'), /unable to verify|self-signed/],
    ] as const) {
      const { reachable, message } = await bound(to(value)).check(contextOf(), never);
      assert.equal(reachable, false);
      assert.match(message, reason);
    }
  }
});

test('a client shows its certificate, by pem credentials or beside a password', async (t) => {
  const authority = await certificateAuthority(t);
  const { cert, key } = authority.issue('broker');
  const broker = await mosquitto(t, {
    listeners: [
      ['certfile %dir%/cert', 'keyfile %dir%/key', 'cafile %dir%/ca', 'require_certificate true'].concat(
        'use_identity_as_username true',
      ),
    ],
    files: { cert, key, ca: authority.ca },
  });
  const own = authority.issue('bridge-7');
  const material = { caCert: authority.ca, cert: own.cert, privateKey: own.key };
  const privateKey = await encrypted(t, own.key, 'pässword');
  const withPassword = { ...material, privateKey, privateKeyPassword: 'pässword' };
  for (const value of [pem(material), pem(withPassword), { tls: material, ...basic('ignored') }]) {
    const handler = await connected(t, toBroker(broker.port, { ssl: true, ...value }));
    assert.deepEqual(await handler.deliver([outbound('hello')], never), [DELIVERED]);
  }
  assert.equal(broker.log.match(/New client connected .* u'bridge-7'\)/g)?.length, 3);
  const without = toBroker(broker.port, { ssl: true, ...pem({ caCert: authority.ca }) });
  const { reachable, message } = await bound(without).check(contextOf(), never);
  assert.equal(reachable, false);
  assert.match(message, /certificate required|handshake failure/);
});

test('a target that is not allowed is refused before it is connected to', async (t) => {
  const broker = await mosquitto(t, { listeners: [[], ['protocol websockets']] });
  const guard = createTargetGuard(false);
  for (const [i, transport] of [MqttTransport.TCP, MqttTransport.WEBSOCKET].entries()) {
    for (const ssl of [false, true]) {
      const configuration = toBroker(broker.ports[i]!, { transport, ssl });
      const { reachable, message } = await bound(configuration).check(contextOf({ guard }), never);
      assert.equal(reachable, false);
      assert.match(message, /refused: 127\.0\.0\.1 is a private address/);
      assert.deepEqual(
        bound(configuration)
          .validate(guard)
          .map(({ field }) => field),
        ['host'],
      );
      const byName = toBroker(broker.ports[i]!, { transport, ssl, host: 'localhost' });
      assert.match((await bound(byName).check(contextOf({ guard }), never)).message, /refused: localhost/);
    }
  }
  assert.doesNotMatch(broker.log, /New client connected|SSL|TLS/);
});
