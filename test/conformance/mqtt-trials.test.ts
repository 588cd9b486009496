import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DELIVERED } from '../../src/executor/handlers/handler.ts';
import { connected, never } from '../helpers/handler.ts';
import { type MqttInit, message, toBroker } from '../helpers/mqtt-handler.ts';
import { rawMqttBroker } from '../helpers/raw-mqtt-broker.ts';
import { tried } from '../helpers/trial.ts';

test('a delivery that is tried has a client id of its own: brokers cut the one before with the same', async (t) => {
  const broker = await rawMqttBroker(t);
  const ids: string[] = [];
  const { onConnect } = broker;
  broker.onConnect = (packet, client) => {
    ids.push(packet.clientId);
    onConnect(packet, client);
  };
  const configurations: readonly MqttInit[] = [
    { clientId: 'mine' },
    { staticClientIds: [{ clientId: 'mine' }, { clientId: 'mine too' }] },
  ];
  for (const one of configurations) {
    ids.length = 0;
    const handler = await connected(t, toBroker(broker.port, one));
    const live = new Set(ids);
    assert.ok(live.has('mine'));
    assert.equal((await tried(toBroker(broker.port, one), 'tried')).delivered, true);
    assert.deepEqual(
      ids.slice(live.size).map((id) => live.has(id)),
      [false],
    );
    assert.deepEqual(await handler.deliver([message({})], never), [DELIVERED]);
  }
});
