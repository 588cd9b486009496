import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { FailureClass } from '../../../gen/penstock/v1/envelope_pb.ts';
import { DELIVERED, type HandlerContext } from '../../../src/executor/handlers/handler.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { timeoutSignal } from '../../../src/runtime/deadline.ts';
import { messageOf } from '../../../src/runtime/logger.ts';
import { createTargetGuard } from '../../../src/runtime/target-guard.ts';
import type { ServerCertificate } from '../../helpers/certificates.ts';
import { conforms, noneLeft } from '../../helpers/conforms.ts';
import { bound, connected, contextOf, failureOf, never, outbound } from '../../helpers/handler.ts';
import { onEnd } from '../../helpers/on-end.ts';
import { type Configuration, PASSWORDS } from '../../helpers/peer.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

/** What may stand against a system that cannot be used as it is configured: another try may find that mended. */
const MENDABLE: readonly FailureClass[] = [FailureClass.DISCONNECTED, FailureClass.UNAVAILABLE];

const check = (configuration: Configuration, signal = never, context: Partial<HandlerContext> = {}) =>
  bound(configuration).check(contextOf(context), signal);

/** Why a handler delivers nothing: the error of its connect, or the failure of its first message. */
async function refusal(
  t: TestContext,
  configuration: Configuration,
  context: Partial<HandlerContext> = {},
): Promise<string> {
  const handler = bound(configuration).create(contextOf(context));
  onEnd(t, () => handler[Symbol.asyncDispose]());
  using deadline = timeoutSignal(systemClock, 20_000, 'the refusal', never);
  try {
    await handler.connect(deadline.signal);
  } catch (error) {
    assert.equal(deadline.signal.aborted, false, 'it was told, and not waited for in vain');
    return messageOf(error);
  }
  const { failureClass, reason } = failureOf(
    (await handler.deliver([outbound('hello')], deadline.signal))[0],
  );
  assert.ok(MENDABLE.includes(failureClass), `class ${failureClass}`);
  return reason;
}

conforms(
  'the right password is let in',
  async (t, start) => {
    const peer = await start({ password: 'right' });
    const handler = await connected(t, peer.configuration);
    assert.deepEqual(await handler.deliver([outbound('hello')], never), [DELIVERED]);
    assert.deepEqual(await peer.payloads(), ['hello']);
    assert.equal((await check(peer.configuration)).reachable, true);
  },
  { needs: 'password' },
);

conforms(
  'a wrong password is told as the cause, and not shown',
  async (t, start) => {
    const peer = await start({ password: 'wrong' });
    const { reachable, message } = await check(peer.configuration);
    assert.equal(reachable, false);
    for (const text of [message, await refusal(t, peer.configuration)]) {
      assert.match(text, /\b401\b|authori[sz]|authenticat|credential|password/i);
      assert.ok(!text.includes(PASSWORDS.wrong));
    }
    assert.deepEqual(await peer.payloads(), []);
  },
  { needs: 'password' },
);

conforms(
  'a certificate that is valid is trusted',
  async (t, start) => {
    const peer = await start({ certificate: 'valid' });
    const handler = await connected(t, peer.configuration);
    assert.deepEqual(await handler.deliver([outbound('hello')], never), [DELIVERED]);
    assert.deepEqual(await peer.payloads(), ['hello']);
    assert.equal((await check(peer.configuration)).reachable, true);
  },
  { needs: 'certificate' },
);

const WRONG: readonly (readonly [ServerCertificate, RegExp])[] = [
  ['expired', /expired/i],
  ['of another name', /does not match|altname/i],
  ['of another authority', /unable to (verify|get)|self-signed/i],
];
for (const [certificate, cause] of WRONG) {
  conforms(
    `a certificate that is ${certificate} is told as the cause, and nothing is sent`,
    async (t, start) => {
      const peer = await start({ certificate });
      const { reachable, message } = await check(peer.configuration);
      assert.equal(reachable, false);
      assert.match(message, cause);
      assert.match(await refusal(t, peer.configuration), cause);
      assert.deepEqual(await peer.payloads(), []);
    },
    { needs: 'certificate' },
  );
}

conforms('a name that does not resolve is told as the cause', async (t, start) => {
  const peer = await start();
  const configuration = peer.at('penstock.invalid');
  const { reachable, message } = await check(configuration);
  assert.equal(reachable, false);
  assert.match(message, /penstock\.invalid/);
  assert.match(await refusal(t, configuration), /penstock\.invalid/);
});

conforms('a target that is not allowed is told, and nothing connects to it', async (t, start) => {
  const peer = await start();
  const guard = createTargetGuard(false, async () => [{ address: '127.0.0.1', family: 4 }]);
  for (const host of ['127.0.0.1', 'inside.example']) {
    const { reachable, message } = await check(peer.at(host), never, { guard });
    assert.equal(reachable, false);
    assert.match(message, /is a private address/);
    assert.match(await refusal(t, peer.at(host), { guard }), /is a private address/);
  }
  assert.equal(peer.network.opened, 0);
});

conforms('a check finds a peer, leaving no connection and delivering nothing', async (_, start) => {
  const peer = await start();
  const { reachable, message } = await check(peer.configuration);
  assert.equal(reachable, true);
  assert.notEqual(message, '');
  assert.ok(peer.network.opened > 0);
  await noneLeft(peer);
  assert.deepEqual(await peer.payloads(), []);
});

conforms('a check leaves the live connection alone', async (t, start) => {
  const peer = await start();
  const handler = await connected(t, peer.configuration, { maxInFlight: 1 });
  for (const payload of ['one', 'two', 'three']) {
    assert.deepEqual(await handler.deliver([outbound(payload)], never), [DELIVERED]);
    assert.equal((await check(peer.configuration)).reachable, true);
  }
  assert.deepEqual(await peer.payloads(), ['one', 'two', 'three']);
});

conforms('a check finds that a peer is away', async (_, start) => {
  const peer = await start();
  await peer.network.set({ down: true });
  const { reachable, message } = await check(peer.configuration);
  assert.equal(reachable, false);
  assert.match(message, /ECONNREFUSED/);
});

conforms('a check of a peer that hangs ends with its signal', async (_, start) => {
  const peer = await start();
  await peer.network.set({ downstream: { timeout: true } });
  const deadline = new AbortController();
  const checking = check(peer.configuration, deadline.signal);
  await waitUntil('the peer is asked', () => peer.network.connections > 0);
  deadline.abort(new Error('too late'));
  const { reachable, message } = await checking;
  assert.equal(reachable, false);
  assert.match(message, /too late/);
  await noneLeft(peer);
});
