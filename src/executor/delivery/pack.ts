import type { Lanes } from './lanes.ts';
import type { InFlight } from './window.ts';

/** Takes what may leave: at most so many messages, of at most so many bytes; the first one whatever its size. */
export function takePack(lanes: Lanes<InFlight>, maxMessages: number, maxBytes: number): readonly InFlight[] {
  const pack: InFlight[] = [];
  let bytes = 0;
  for (let { next } = lanes; next && pack.length < maxMessages; next = lanes.next) {
    bytes += next.value.byteLength;
    if (bytes > maxBytes && pack.length > 0) break;
    lanes.take();
    pack.push(next);
  }
  return pack;
}

/** The two halves of a pack, without one that is empty. */
export function halvesOf(pack: readonly InFlight[]): readonly (readonly InFlight[])[] {
  const middle = pack.length >> 1;
  return [pack.slice(0, middle), pack.slice(middle)].filter(({ length }) => length > 0);
}
