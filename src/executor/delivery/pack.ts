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
