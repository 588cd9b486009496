import type { PackLimits } from '../handlers/handler.ts';
import type { Lanes } from './lanes.ts';
import { mayAccompany } from './suspicion.ts';
import type { InFlight } from './window.ts';

/** Messages that may leave or have left, for each that may be on its way: the next ones wait here, not in Kafka. */
const READY = 2;

/**
 * Whether no more is to be taken in, of which so many are, and `out` of them on their way, where `most` may be. Of lanes only
 * the heads count, so that a blocked one keeps no other out; where runs leave, also all of them, unless more may be on its way.
 */
export function isEnough(
  lanes: Lanes<InFlight>,
  { taken, out, most }: { readonly taken: number; readonly out: number; readonly most: number },
  { runs }: PackLimits,
): boolean {
  if (lanes.heads >= most * READY) return true;
  return runs !== undefined && taken >= most * READY && out + lanes.available >= most;
}

/** How many messages may leave, as far as packs of these limits can hold them. */
export function readyFor(lanes: Lanes<InFlight>, { runs }: PackLimits): number {
  return runs === 'within' ? lanes.available : lanes.ready;
}

/**
 * Takes what may leave: at most so many messages, of at most so many bytes; the first one whatever its size. One of each
 * lane, and then, where the limits allow it, those behind them, as many of each as of the others.
 */
export function takePack(lanes: Lanes<InFlight>, most: number, limits: PackLimits): readonly InFlight[] {
  const pack: InFlight[] = [];
  let room = most;
  let bytes = 0;
  const fits = (message: InFlight) => {
    room = Math.min(room, message.companions + 1);
    bytes += message.value.byteLength;
    if (pack.length === 0) return true;
    return (
      pack.length < room && bytes <= limits.maxBytes && mayAccompany(pack[0]!.suspicion, message.suspicion)
    );
  };
  for (let { next } = lanes; next && pack.length < most; next = lanes.next) {
    if (!fits(next)) return pack;
    lanes.take();
    pack.push(next);
  }
  if (limits.runs !== 'within') return pack;
  // A pack that grows: each that is taken is asked for the one behind it in turn.
  for (const last of pack) {
    const next = lanes.behind(last);
    if (next === undefined) continue;
    if (!fits(next)) break;
    lanes.takeBehind(last);
    pack.push(next);
  }
  return pack;
}
