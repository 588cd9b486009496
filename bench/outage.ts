import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AckStrategy } from '../gen/penstock/v1/delivery_pb.ts';
import { runOutage } from '../test/helpers/outage.ts';
import { PenstockRun } from '../test/helpers/penstock.ts';

const MESSAGES = 60_000;
const SECONDS = 20;

/** 60,000 messages with the endpoint away for 20 s in the middle, by both strategies, on one `penstock dev` each. */
export async function measureOutage(): Promise<object> {
  return {
    RETRY_ALL: await measure(AckStrategy.RETRY_ALL),
    SKIP_ALL: await measure(AckStrategy.SKIP_ALL),
  };
}

async function measure(strategy: AckStrategy): Promise<object> {
  const dataDir = await mkdtemp(join(tmpdir(), 'penstock-bench-'));
  const ports = ['--grpc-port', '0', '--http-port', '0', '--mqtt-port', '0'];
  const run = new PenstockRun(['dev', ...ports, '--data-dir', dataDir]);
  try {
    await run.says('penstock is ready', 300_000);
    const outage = { messages: MESSAGES, seconds: SECONDS, strategy };
    return await runOutage(run.address('gRPC'), run.address('MQTT'), outage);
  } finally {
    await run.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}
