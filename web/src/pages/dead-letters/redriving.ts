import { effect } from '@preact/signals';
import { api } from '../../api/client.ts';
import { Redrives } from './redrives.ts';

/** The redrives of this page: they go on while somebody looks at other pages of the UI. */
export const redrives = new Redrives({
  redrive: (request, signal) => api.deadLetters.redriveDeadLetters(request, { signal }),
  later(callback, ms) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
});

// They end with the page: who closes it is asked.
effect(() => {
  if (redrives.running().length === 0) return;
  const ask = (event: BeforeUnloadEvent) => event.preventDefault();
  addEventListener('beforeunload', ask);
  return () => removeEventListener('beforeunload', ask);
});
