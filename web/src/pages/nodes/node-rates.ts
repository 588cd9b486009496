import { type Node, timestampMs } from '../../../../src/client/contract.ts';

/** What a node does, by two of its reports. */
export interface NodeRates {
  /** Of one core: 1 is one that is busy all the time. */
  readonly cpu: number;
  /** MQTT messages that it took in, in a second. */
  readonly takenIn: number;
}

/** Undefined: they are not two reports of one run. */
export function ratesOf(before: Node | undefined, now: Node): NodeRates | undefined {
  if (!before?.figures || !now.figures || !before.lastSeenTime || !now.lastSeenTime) return undefined;
  if (before.startTime?.seconds !== now.startTime?.seconds) return undefined;
  const seconds = (timestampMs(now.lastSeenTime) - timestampMs(before.lastSeenTime)) / 1000;
  if (seconds <= 0) return undefined;
  return {
    cpu: Math.max(0, now.figures.cpuSeconds - before.figures.cpuSeconds) / seconds,
    takenIn: Math.max(0, Number(now.figures.takenIn - before.figures.takenIn)) / seconds,
  };
}

const MIB = 1 << 20;

export const memoryText = (bytes: bigint): string =>
  `${Math.round(Number(bytes) / MIB).toLocaleString('en')} MiB`;
export const cpuText = (share: number): string => `${Math.round(share * 100)} %`;
