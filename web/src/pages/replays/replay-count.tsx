import { api } from '../../api/client.ts';
import { useQuery } from '../../api/use-query.ts';
import type { ReplayRequest } from './replay-request.ts';

/** Typing that goes on asks nothing, in milliseconds. */
const SETTLED = 300;

/** How many messages a replay would send, as the server counts them now. */
export function ReplayCount({ request }: { readonly request: ReplayRequest }) {
  const text = JSON.stringify(request, (_, value) => (typeof value === 'bigint' ? String(value) : value));
  const { value, failure } = useQuery(
    async (signal) => {
      await new Promise((resolve) => setTimeout(resolve, SETTLED));
      signal.throwIfAborted();
      const { replay } = await api.replays.startReplay({ ...request, validateOnly: true }, { signal });
      return { text, total: replay?.total ?? 0n };
    },
    [text],
  );
  if (failure) return <p class="problem">{failure.text}</p>;
  const total = value?.text === text ? value.total : undefined;
  return (
    <p role="status">
      {total === undefined
        ? 'Counting the messages…'
        : total === 1n
          ? '1 message is there to be sent.'
          : `${total.toLocaleString('en')} messages are there to be sent.`}
    </p>
  );
}
