import { EventKind, IntegrationView, WatchService } from '../../../src/client/contract.ts';
import { connectService } from '../../../src/client/web-service.ts';
import { BASE } from '../api/base.ts';
import { Hub } from './hub.ts';

/** The hub over the server that the page came from. */
export function hubOfServer(): Hub {
  const client = connectService(WatchService, { url: BASE, format: 'binary' });
  return new Hub({
    watch: (signal) =>
      client.watch(
        {
          integrations: {},
          view: IntegrationView.BASIC,
          events: { kinds: [EventKind.LIFECYCLE, EventKind.ERROR] },
          nodes: true,
          jobs: true,
        },
        { signal },
      ),
    now: () => Date.now(),
    later: (callback, ms) => {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
  });
}
