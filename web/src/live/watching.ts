import { EventKind, IntegrationView } from '../../../src/client/contract.ts';
import { api } from '../api/client.ts';
import { Hub } from './hub.ts';

/** The hub over the server that the page came from. */
export function hubOfServer(): Hub {
  return new Hub({
    watch: (signal) =>
      api.watch.watch(
        {
          integrations: {},
          view: IntegrationView.BASIC,
          events: { kinds: [EventKind.LIFECYCLE, EventKind.ERROR] },
          nodes: true,
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
