// An HTTP endpoint of as little cost as can be: counts requests, answers 200, and says over IPC when `expect` have come.
import { createServer, type Socket } from 'node:net';

const OK = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
const END_OF_HEAD = Buffer.from('\r\n\r\n');

let count = 0;
let expected = Number.POSITIVE_INFINITY;
/** Answers that are held back until they are all given; undefined: none is. */
let held: (() => void)[] | undefined;
/** Arrival times of the last requests, for latency: [payload's sentAt, arrived]. */
let onBody: ((body: string) => void) | undefined;

function serve(socket: Socket): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    let data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let answers = 0;
    for (;;) {
      const head = data.indexOf(END_OF_HEAD);
      if (head < 0) break;
      const length = Number(/content-length: (\d+)/i.exec(data.toString('latin1', 0, head))?.[1] ?? 0);
      const end = head + 4 + length;
      if (data.length < end) break;
      onBody?.(data.toString('utf8', head + 4, end));
      data = data.subarray(end);
      answers++;
    }
    rest = data;
    const answer = () => socket.write(answers === 1 ? OK : Buffer.concat(Array<Buffer>(answers).fill(OK)));
    if (answers > 0 && held) held.push(answer);
    else if (answers > 0) answer();
    count += answers;
    if (answers > 0 && count === expected) process.send?.({ done: count });
  });
}

const server = createServer(serve);
server.listen(0, '127.0.0.1', () => process.send?.({ address: server.address() }));
process.on('message', ({ expect, bodies, hold }: { expect?: number; bodies?: boolean; hold?: boolean }) => {
  if (bodies) onBody = (body) => process.send?.({ body, at: performance.timeOrigin + performance.now() });
  if (hold !== undefined) {
    for (const answer of held ?? []) answer();
    held = hold ? [] : undefined;
    process.send?.({ arrivedSoFar: count });
  }
  if (expect === undefined) return;
  count = 0;
  expected = expect;
  process.send?.({ armed: expect });
});
process.on('disconnect', () => process.exit());
