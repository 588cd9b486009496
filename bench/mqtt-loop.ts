// The raw limit: mqtt.js driven by a bare loop, QoS 1, `window` messages on their way at a time, all with the same body.
import { connectAsync } from 'mqtt';

const [url, total, window, bytes] = process.argv.slice(2) as [string, string, string, string];
const client = await connectAsync(url, { protocolVersion: 4 });
const body = 'x'.repeat(Number(bytes));
let left = Number(total);
let open = 0;

function next(): void {
  if (left-- <= 0) {
    if (open === 0) process.send?.({ end: true });
    return;
  }
  open++;
  client.publish(`sensors/${left % 1000}/temperature`, body, { qos: 1 }, (error) => {
    if (error) throw error;
    open--;
    next();
  });
}

process.on('message', () => {
  for (let i = 0; i < Number(window); i++) next();
});
process.on('disconnect', () => process.exit());
process.send?.({ ready: true });
