import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { MqttTransport } from '../../gen/penstock/v1/mqtt_pb.ts';
import { DELIVERED, type Failure, type Outcome, WRITTEN } from '../../src/executor/handlers/handler.ts';
import { bound, connected, contextOf, never, outbound } from '../helpers/handler.ts';
import { httpEndpoint } from '../helpers/http-endpoint.ts';
import { mosquitto, passwordFile } from '../helpers/mosquitto.ts';
import { type MqttInit, message, toBroker } from '../helpers/mqtt-handler.ts';
import { rawMqttBroker } from '../helpers/raw-mqtt-broker.ts';

const { DISCONNECTED, REJECTED, THROTTLED, TOO_LARGE, UNAVAILABLE } = FailureClass;

function failure(outcome: Outcome | undefined): Failure {
  assert.ok(outcome && !outcome.delivered, 'it was delivered');
  return outcome;
}

const check = (port: number, value: MqttInit = {}, signal = never) =>
  bound(toBroker(port, value)).check(contextOf(), signal);

/** What a check says of a broker that cannot be used, which is what a start says, too. */
async function refusal(port: number, value: MqttInit = {}): Promise<string> {
  const { reachable, message } = await check(port, value);
  assert.equal(reachable, false);
  const handler = bound(toBroker(port, value)).create(contextOf());
  await assert.rejects(handler.connect(never), ({ message: told }: Error) => {
    assert.ok(message.startsWith(told), `${message} is not ${told}`);
    return true;
  });
  await handler[Symbol.asyncDispose]();
  return message;
}

test('the codes of PUBACK and PUBREC tell what to do with a message', async (t) => {
  const broker = await rawMqttBroker(t);
  const rows: readonly (readonly [number, FailureClass | undefined, RegExp?])[] = [
    [0x00, undefined],
    [0x10, undefined],
    [0x80, UNAVAILABLE, /unspecified error/],
    [0x83, UNAVAILABLE, /implementation specific/],
    [0x87, UNAVAILABLE, /not authorized \(code 135\)/],
    [0x90, REJECTED, /topic name invalid/],
    [0x91, UNAVAILABLE, /packet identifier in use/],
    [0x95, TOO_LARGE, /packet too large/],
    [0x97, THROTTLED, /quota exceeded/],
    [0x99, REJECTED, /payload format invalid/],
  ];
  let code = 0;
  broker.onPublish = (packet, client) =>
    client.acknowledge(packet, code, code ? 'the reason why' : undefined);
  for (const qos of [1, 2]) {
    const handler = await connected(t, toBroker(broker.port, { mqttVersion: 5, qos }));
    for (const [reasonCode, failureClass, reason] of rows) {
      code = reasonCode;
      const [outcome] = await handler.deliver([outbound('hello', 0, `client ${reasonCode}`)], never);
      if (failureClass === undefined) {
        assert.equal(outcome, DELIVERED);
        continue;
      }
      const told = failure(outcome);
      assert.equal(told.failureClass, failureClass);
      assert.match(told.reason, reason!);
      assert.match(told.reason, /the reason why/);
    }
  }
  assert.equal(broker.clients.size, 2, 'no connection was lost');
});

test('a message that is too large for the broker is not sent, to the byte', async (t) => {
  const broker = await rawMqttBroker(t);
  const value = { mqttVersion: 5 as const, qos: 1 };
  const userProperties = [
    { key: 'a', value: 'ü' },
    { key: 'a', value: '' },
  ];
  const full = message({
    topicName: 'größe',
    payload: Buffer.alloc(16_400),
    userProperties,
    contentType: 'text/plain',
    responseTopic: 'answer',
    correlationData: Buffer.from('x'),
    payloadFormatIndicator: 1,
    messageExpiryInterval: 60,
  });
  // Around the lengths at which the fields that hold a length grow.
  const sizes = [0, 100, 101, 16_356, 16_357].map((bytes) => message({ payload: Buffer.alloc(bytes) }));
  const properties = [102, 103].map((bytes) =>
    message({ userProperties: [{ key: 'k', value: 'x'.repeat(bytes) }] }),
  );
  for (const one of [full, ...sizes, ...properties]) {
    broker.connack = {};
    await (await connected(t, toBroker(broker.port, value))).deliver([one], never);
    const { bytes } = broker.published.at(-1)!;
    const outcomeAt = async (maximumPacketSize: number) => {
      broker.connack = { properties: { maximumPacketSize } };
      const handler = await connected(t, toBroker(broker.port, value));
      return (await handler.deliver([one], never))[0];
    };
    assert.equal(await outcomeAt(bytes), DELIVERED);
    const before = broker.published.length;
    const refused = failure(await outcomeAt(bytes - 1));
    assert.equal(refused.failureClass, TOO_LARGE);
    assert.match(refused.reason, new RegExp(`${bytes} bytes.*${bytes - 1}`));
    assert.equal(broker.published.length, before);
  }
});

test('a broker without QoS 2, without QoS 1 or without RETAIN is not sent what ends the connection', async (t) => {
  const broker = await rawMqttBroker(t);
  const deliver = async (properties: object, init: Parameters<typeof message>[0]) => {
    broker.connack = { properties };
    const value = { mqttVersion: 5 as const, useMsgQos: true };
    const handler = await connected(t, toBroker(broker.port, value));
    return (await handler.deliver([message(init)], never))[0];
  };
  assert.equal(await deliver({ maximumQoS: 1 }, { qos: 2 }), DELIVERED);
  assert.equal(broker.published.at(-1)!.qos, 1);
  assert.equal(await deliver({ maximumQoS: 0 }, { qos: 0 }), WRITTEN);
  assert.equal(await deliver({ retainAvailable: false }, { qos: 1 }), DELIVERED);
  const before = broker.published.length;
  for (const [properties, init, reason] of [
    [{ maximumQoS: 0 }, { qos: 1 }, /QoS 0 only.*use_msg_qos/],
    [{ retainAvailable: false }, { retain: true }, /retains no messages.*use_msg_retain/],
  ] as const) {
    const told = failure(await deliver(properties, init));
    assert.equal(told.failureClass, UNAVAILABLE);
    assert.match(told.reason, reason);
  }
  assert.equal(broker.published.length, before);
});

test('a broker that ends the connection for a message says why, or is said to have said nothing', async (t) => {
  const broker = await rawMqttBroker(t);
  const outcome = async (mqttVersion: 4 | 5) => {
    const handler = await connected(t, toBroker(broker.port, { mqttVersion }));
    return failure((await handler.deliver([outbound('poison')], never))[0]);
  };
  broker.onPublish = (_, client) => {
    client.send({ cmd: 'disconnect', reasonCode: 0x99, properties: { reasonString: 'no JSON' } });
    client.socket.end();
  };
  const ended = await outcome(5);
  assert.equal(ended.failureClass, REJECTED, 'it was alone');
  assert.match(ended.reason, /ended the connection: payload format invalid \(code 153\): no JSON/);
  broker.onPublish = (_, client) => client.socket.destroy();
  for (const version of [4, 5] as const) {
    const closed = await outcome(version);
    assert.equal(closed.failureClass, DISCONNECTED);
    assert.match(closed.reason, /closed the connection without a reason: it may not allow the topic/);
  }
});

test('a refused CONNECT is told by name, with what to do', async (t) => {
  const broker = await rawMqttBroker(t);
  const rows: readonly (readonly [3 | 4 | 5, number, RegExp])[] = [
    [3, 1, /unacceptable protocol version \(code 1\); set another mqtt_version/],
    [4, 2, /identifier rejected \(code 2\); set another client_id/],
    [4, 3, /server unavailable \(code 3\)$/],
    [4, 4, /bad user name or password \(code 4\); check the user name/],
    [4, 5, /not authorized \(code 5\); check the credentials/],
    [5, 0x84, /unsupported protocol version/],
    [5, 0x86, /bad user name or password \(code 134\): who are you\?; check the user name/],
    [5, 0x89, /server busy/],
    [5, 0x9d, /server moved \(code 157\): who are you\?: it names other:1883/],
    [5, 0xff, /code 255/],
  ];
  for (const [mqttVersion, code, reason] of rows) {
    const properties = {
      reasonString: 'who are you?',
      ...(code === 0x9d && { serverReference: 'other:1883' }),
    };
    broker.connack = { returnCode: code, reasonCode: code, ...(mqttVersion === 5 && { properties }) };
    assert.match(await refusal(broker.port, { mqttVersion }), reason);
    assert.match(await refusal(broker.port, { mqttVersion }), /^the broker refused the connection: /);
  }
  assert.deepEqual(broker.published, []);
});

test('a broker that repeats the password, or talks too much, gives nothing away', async (t) => {
  const broker = await rawMqttBroker(t);
  const password = 's3cret-and-long';
  const value = {
    mqttVersion: 5 as const,
    credentials: { credentials: { case: 'basic' as const, value: { username: 'u', password } } },
  };
  const reasonString = `no ${password}${'!'.repeat(1000)}`;
  broker.onPublish = (packet, client) => client.acknowledge(packet, 0x87, reasonString);
  const handler = await connected(t, toBroker(broker.port, value));
  const { reason } = failure((await handler.deliver([outbound('hello')], never))[0]);
  broker.connack = { reasonCode: 0x86, properties: { reasonString } };
  for (const text of [reason, await refusal(broker.port, value)]) {
    assert.match(text, /no \*\*\*!/);
    assert.ok(!text.includes(password) && text.length < 400);
  }
});

test('a check says that it comes under another client id where that may be why it is refused', async (t) => {
  const broker = await rawMqttBroker(t);
  broker.onConnect = ({ clientId }, client) =>
    client.send({ cmd: 'connack', sessionPresent: false, returnCode: clientId === 'pinned' ? 0 : 5 });
  const { reachable, message } = await check(broker.port, { clientId: 'pinned' });
  assert.equal(reachable, false);
  assert.match(message, /not authorized.*The check came as penstock-check-[0-9a-f]{8}, so as not to cut/);
  assert.doesNotMatch((await check(broker.port)).message, /The check came/);
  await connected(t, toBroker(broker.port, { clientId: 'pinned' }));
});

test('a check tries the credentials of every static client id, under none of them', async (t) => {
  const broker = await rawMqttBroker(t);
  const staticClientIds = ['a', 'b'].map((one) => ({
    serviceId: 'e9',
    clientId: one,
    username: one,
    password: one,
  }));
  const found = await check(broker.port, { staticClientIds });
  assert.equal(found.reachable, true);
  assert.match(found.message, /each of 2 credentials/);
  broker.onConnect = ({ username }, client) =>
    client.send({ cmd: 'connack', sessionPresent: false, returnCode: username === 'b' ? 4 : 0 });
  const { reachable, message } = await check(broker.port, { staticClientIds });
  assert.equal(reachable, false);
  assert.match(message, /^user b: the broker refused the connection: bad user name or password/);
  const ids = broker.packets.flatMap((packet) => (packet.cmd === 'connect' ? [packet.clientId] : []));
  assert.equal(new Set(ids).size, 4);
  for (const id of ids) assert.match(id, /^penstock-check-/);
});

/** A server that does this with each connection. */
async function server(t: TestContext, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const listening = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    serve(socket);
  }).listen(0, '127.0.0.1');
  await once(listening, 'listening');
  t.after(() => {
    listening.close();
    for (const socket of sockets) socket.destroy();
  });
  return (listening.address() as { port: number }).port;
}

test('what is no broker, or speaks otherwise, is told', async (t) => {
  const closes = await server(t, (socket) => socket.once('data', () => socket.end()));
  assert.match(
    await refusal(closes),
    /did not answer CONNECT: the connection was closed; .*mqtt_version, or ssl/,
  );
  const talks = await server(t, (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
  assert.match(await refusal(talks), /did not answer CONNECT/);
  const silent = await server(t, () => {});
  const impatient = { connectTimeout: { seconds: 1n } };
  assert.match(
    await refusal(silent, impatient),
    /let the client connect and did not answer CONNECT within 1000 ms/,
  );
  assert.match(
    await refusal(silent, { ...impatient, ssl: true }),
    /did not answer the TLS handshake within 1000 ms/,
  );
  const broker = await rawMqttBroker(t);
  assert.match(await refusal(broker.port, { ...impatient, ssl: true }), /^mqtts:.*no TLS/);
  const { port } = await httpEndpoint(t);
  const overWebSocket = { transport: MqttTransport.WEBSOCKET, websocketPath: '/in' };
  assert.match(
    await refusal(port, overWebSocket),
    /^ws:.*\/in: no WebSocket: Unexpected server response: 200/,
  );
  const free = await server(t, () => {});
  assert.match(await refusal(1, {}), /^mqtt:\/\/127\.0\.0\.1:1 was not reached: .*ECONNREFUSED/);
  assert.match(
    await refusal(free, { host: 'penstock.invalid' }),
    /penstock\.invalid.* not reached: .*ENOTFOUND|EAI_AGAIN/,
  );
});

test('mosquitto: credentials, and topics that are not allowed', async (t) => {
  const broker = await mosquitto(t, {
    general: ['allow_anonymous false', 'password_file %dir%/passwords', 'acl_file %dir%/acl'],
    files: {
      passwords: await passwordFile(t, 'penstock', 's3cret'),
      acl: 'user penstock\ntopic write open/#\n',
    },
  });
  const basic = (password: string) => ({
    credentials: { credentials: { case: 'basic' as const, value: { username: 'penstock', password } } },
  });
  for (const mqttVersion of [3, 4, 5] as const) {
    assert.match(await refusal(broker.port, { mqttVersion }), /not authorized/);
    const wrong = await refusal(broker.port, { mqttVersion, ...basic('wr0ng') });
    assert.match(wrong, /not authorized.*check the credentials/);
    assert.doesNotMatch(wrong, /wr0ng/);
    assert.equal((await check(broker.port, { mqttVersion, ...basic('s3cret') })).reachable, true);
  }
  const handler = await connected(t, toBroker(broker.port, { mqttVersion: 5, ...basic('s3cret') }));
  const [allowed, denied] = await handler.deliver(
    [message({ topicName: 'open/x' }), message({ topicName: 'closed/x' })],
    never,
  );
  assert.equal(allowed, DELIVERED);
  assert.equal(failure(denied).failureClass, UNAVAILABLE);
  assert.match(failure(denied).reason, /not authorized/);
});

test('mosquitto: what is too large is refused, whether it was announced or not', async (t) => {
  for (const limit of ['max_packet_size 1000', 'message_size_limit 1000']) {
    const broker = await mosquitto(t, { general: ['allow_anonymous true', limit] });
    const handler = await connected(t, toBroker(broker.port, { mqttVersion: 5 }));
    const [large, small] = await handler.deliver(
      [message({ payload: Buffer.alloc(1001) }), message({ payload: Buffer.alloc(900) })],
      never,
    );
    assert.equal(failure(large).failureClass, TOO_LARGE);
    assert.equal(small, DELIVERED);
  }
});
