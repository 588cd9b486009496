// The raw limit: undici's `dispatch` driven by a bare loop, `concurrency` requests at a time, all with the same body.
import { type Dispatcher, Pool } from 'undici';

const [url, total, concurrency, bytes] = process.argv.slice(2) as [string, string, string, string];
const { origin, pathname } = new URL(url);
const pool = new Pool(origin, { connections: Number(concurrency), pipelining: 1 });
const body = 'x'.repeat(Number(bytes));
const headers = { 'content-type': 'application/json' };
let left = Number(total);
let open = 0;

function next(): void {
  if (left-- <= 0) {
    if (open === 0) process.send?.({ end: true });
    return;
  }
  open++;
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart() {},
    onResponseStart() {},
    onResponseData() {},
    onResponseEnd() {
      open--;
      next();
    },
    onResponseError(_, error) {
      throw error;
    },
  };
  pool.dispatch({ path: pathname, method: 'POST', headers, body }, handler);
}

process.on('message', () => {
  for (let i = 0; i < Number(concurrency); i++) next();
});
process.on('disconnect', () => process.exit());
process.send?.({ ready: true });
