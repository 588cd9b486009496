import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PenstockRun } from '../test/helpers/penstock.ts';

export interface StartFigures {
  /** Milliseconds from the command to `penstock is ready`. */
  readonly first: number;
  readonly second: number;
  readonly afterKill: number;
}

/** Starts `penstock dev` on a fresh data directory, again after a stop, and again after a kill -9 of the run. */
export async function measureStart(): Promise<StartFigures> {
  const dataDir = await mkdtemp(join(tmpdir(), 'penstock-bench-'));
  const ports = ['--grpc-port', '0', '--http-port', '0', '--mqtt-port', '0'];
  const toReady = async (stop: (run: PenstockRun) => Promise<unknown>) => {
    const begin = performance.now();
    const run = new PenstockRun(['dev', ...ports, '--data-dir', dataDir]);
    try {
      await run.says('penstock is ready', 300_000);
      return performance.now() - begin;
    } finally {
      await stop(run);
    }
  };
  try {
    return {
      first: await toReady((run) => run.stop()),
      second: await toReady((run) => run.killAll([])),
      afterKill: await toReady((run) => run.stop()),
    };
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}
