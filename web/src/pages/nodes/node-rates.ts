import { type Node, NodeRole } from '../../../../src/client/contract.ts';
import { msOf } from '../../ui/times.ts';

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
  const seconds = (msOf(now.lastSeenTime) - msOf(before.lastSeenTime)) / 1000;
  if (seconds <= 0) return undefined;
  return {
    cpu: Math.max(0, now.figures.cpuSeconds - before.figures.cpuSeconds) / seconds,
    takenIn: Math.max(0, Number(now.figures.takenIn - before.figures.takenIn)) / seconds,
  };
}

const MIB = 1 << 20;
/** A caller with a scope gets no figures, and an older node tells none. */
const NONE = '–';

export const shareText = (rates: NodeRates | undefined): string =>
  rates ? `${Math.round(rates.cpu * 100)} %` : NONE;

export const memoryText = ({ figures }: Node): string =>
  figures ? `${Math.round(Number(figures.rssBytes) / MIB).toLocaleString('en')} MiB` : NONE;

export const delayText = ({ figures }: Node): string =>
  figures?.eventLoopDelay ? `${Math.round(msOf(figures.eventLoopDelay))} ms` : NONE;

/** What an ingress has open, and takes in. */
export function mqttText({ figures, roles }: Node, rates: NodeRates | undefined): string {
  if (!figures || !roles.includes(NodeRole.INGRESS)) return NONE;
  const perSecond = rates ? `, ${rates.takenIn.toFixed(1)}/s` : '';
  return `${figures.mqttConnections.toLocaleString('en')} open${perSecond}`;
}
