import assert from 'node:assert/strict';
import { FailureClass } from '../../../gen/penstock/v1/envelope_pb.ts';
import { reach } from '../../../src/executor/reach.ts';
import { conforms, noneLeft } from '../../helpers/conforms.ts';
import { contextOf } from '../../helpers/handler.ts';
import { type Configuration, PASSWORDS, type PeerOptions } from '../../helpers/peer.ts';
import { tried, typeOf } from '../../helpers/trial.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const soon = () => AbortSignal.timeout(20_000);

async function reached(configuration: Configuration, signal = soon()) {
  const { type, prefix } = typeOf(configuration);
  const found = await reach(type, contextOf(), prefix, signal);
  const steps = found.steps.map(({ name, ok }) => `${name} ${ok ? 'ok' : 'failed'}`);
  return { ...found, steps: [...new Set(steps)] };
}

conforms('a check tells its steps, and which of them failed', async (_, start) => {
  const peer = await start();
  const { reachable, steps, field } = await reached(peer.configuration);
  assert.deepEqual([reachable, field], [true, undefined]);
  assert.ok(steps[0] === 'TCP ok' && steps.at(-1) === 'protocol ok', steps.join());
  const nowhere = await reached(peer.at('penstock.invalid'));
  assert.deepEqual([nowhere.reachable, ...nowhere.steps], [false, 'look-up failed']);
  assert.match(nowhere.field ?? '', /^(http\.rest_endpoint_url|mqtt\.host|kafka\.bootstrap_servers)$/);
  await peer.network.set({ down: true });
  const gone = await reached(peer.configuration);
  assert.equal(gone.reachable, false);
  assert.deepEqual(gone.steps, ['TCP failed']);
  assert.match(gone.field ?? '', /^(http\.rest_endpoint_url|mqtt\.port|kafka\.bootstrap_servers)$/);
});

conforms(
  'a check tells of a certificate that is not trusted at the step and the field of TLS',
  async (_, start) => {
    const options: PeerOptions = { certificate: 'of another authority' };
    const { reachable, steps, field } = await reached((await start(options)).configuration);
    assert.equal(reachable, false);
    assert.equal(steps.at(-1), 'TLS failed');
    assert.match(field ?? '', /\.tls$/);
  },
  { needs: 'certificate' },
);

conforms(
  'a check whose time is over tells the step that it was at, and its field',
  async (_, start) => {
    const peer = await start({ certificate: 'of another authority' });
    await peer.network.set({ downstream: { timeout: true } });
    const { reachable, steps, field } = await reached(peer.configuration, AbortSignal.timeout(500));
    assert.deepEqual([reachable, steps.at(-1)], [false, 'TLS failed']);
    assert.match(field ?? '', /^(http\.rest_endpoint_url|(mqtt|kafka)\.tls)$/);
  },
  { needs: 'certificate' },
);

conforms(
  'a check tells of a wrong password at the step and the field of authentication',
  async (_, start) => {
    const { steps, field } = await reached((await start({ password: 'wrong' })).configuration);
    assert.equal(steps.at(-1), 'authentication failed');
    assert.match(field ?? '', /\.(credentials(\.basic)?|sasl)$/);
    const right = await reached((await start({ password: 'right' })).configuration);
    assert.equal(right.steps.at(-1), 'authentication ok');
  },
  { needs: 'password' },
);

conforms(
  'a delivery that is tried arrives once, is told as it was sent, and leaves nothing',
  async (_, start) => {
    const peer = await start();
    const { delivered, sent, answer, reason } = await tried(peer.configuration, 'tried "once"');
    assert.equal(delivered, true, reason);
    await waitUntil('it is there', async () => (await peer.payloads()).length > 0);
    assert.deepEqual(await peer.payloads(), ['tried "once"']);
    assert.match(sent, /tried \\?"once\\?"/);
    assert.notEqual(answer, '');
    await noneLeft(peer);
  },
);

conforms(
  'a delivery that is tried and refused tells why, and nothing of the password',
  async (_, start) => {
    const peer = await start({ password: 'right' });
    const { delivered, sent, answer } = await tried(peer.configuration, 'for the right one');
    assert.equal(delivered, true);
    const wrong = await tried((await start({ password: 'wrong' })).configuration, 'for the wrong one');
    assert.equal(wrong.delivered, false);
    assert.notEqual(wrong.reason, '');
    const told = [sent, answer, wrong.sent, wrong.answer, wrong.reason].join();
    for (const password of Object.values(PASSWORDS)) {
      for (const form of [password, Buffer.from(`penstock:${password}`).toString('base64')])
        assert.ok(!told.includes(form), told);
    }
  },
  { needs: 'password' },
);

conforms('a delivery that is tried ends with its time', async (_, start) => {
  const peer = await start();
  await peer.network.set({ downstream: { timeout: true } });
  const { delivered, failureClass } = await tried(peer.configuration, 'late', AbortSignal.timeout(300));
  assert.deepEqual([delivered, failureClass], [false, FailureClass.TIMEOUT]);
  await noneLeft(peer);
});
