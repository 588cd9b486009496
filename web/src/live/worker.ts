// The SharedWorker of all tabs of a browser: one stream from the server, however many there are.
import type { FromTab, ToTab } from './messages.ts';
import { hubOfServer } from './watching.ts';

/** Tabs are told so often that it is alive, in milliseconds. */
const ALIVE = 2000;

const hub = hubOfServer();
void hub.run(new AbortController().signal);

addEventListener('connect', (event) => {
  const [port] = (event as MessageEvent).ports;
  if (port) serve(port);
});

function serve(port: MessagePort): void {
  const send = (message: ToTab) => port.postMessage(message);
  let remove: (() => void) | undefined;
  const timer = setInterval(() => send({ kind: 'alive' }), ALIVE);
  port.addEventListener('message', ({ data }: MessageEvent<FromTab>) => {
    if (data.kind === 'retry') return hub.retry();
    if (data.kind === 'caller') return hub.changeCaller();
    remove ??= hub.add(send);
    // A port does not say that its tab is gone; its lock does.
    void navigator.locks.request(data.lock, async () => {
      clearInterval(timer);
      remove?.();
      port.close();
    });
  });
  port.start();
}
