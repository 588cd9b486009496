import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { RpcError } from '../../src/rpc/error.ts';
import { guarded } from '../../src/rpc/guard.ts';
import type { CallContext } from '../../src/rpc/service.ts';
import { CALLER, testDeps } from '../helpers/test-deps.ts';

/** What a handler that fails is told as, of a call that has ended, or goes on. */
async function toldAs(hasEnded: boolean, timeLeft: number | undefined): Promise<Code | undefined> {
  const fail = () => Promise.reject(new Error('x'));
  const handlers = Object.fromEntries(IntegrationService.methods.map(({ localName }) => [localName, fail]));
  const stopping = new AbortController().signal;
  const service = guarded({ service: IntegrationService, handlers }, { ...testDeps(), stopping });
  const signal = hasEnded ? AbortSignal.abort() : new AbortController().signal;
  const headers = new Headers();
  const context: CallContext = {
    signal,
    caller: CALLER,
    isLetIn: () => Promise.resolve(true),
    requestHeader: headers,
    responseHeader: headers,
    responseTrailer: headers,
    timeoutMs: () => timeLeft,
  };
  const call = service.handlers.getIntegration!({} as never, context) as Promise<unknown>;
  const error = await call.catch((thrown: unknown) => thrown);
  return error instanceof RpcError ? error.code : undefined;
}

test('a handler that fails once its call is over is told as what ended the call', async () => {
  assert.equal(await toldAs(true, 0), Code.DEADLINE_EXCEEDED);
  assert.equal(await toldAs(true, 500), Code.CANCELLED);
  assert.equal(await toldAs(true, undefined), Code.CANCELLED);
  assert.equal(await toldAs(false, 500), Code.INTERNAL);
});
