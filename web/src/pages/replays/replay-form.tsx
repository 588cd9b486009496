import { useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import { newRequestId } from '../../api/request-id.ts';
import { useAction } from '../../api/use-action.ts';
import { open, query, setQuery } from '../../app/location.ts';
import { integrationPath, replaysPath } from '../../app/routes.ts';
import { refusal, self } from '../../app/self.ts';
import { integrations, isSynced } from '../../live/live.ts';
import { Empty, FailureNotice, Loading } from '../../ui/notice.tsx';
import { ReplayCount } from './replay-count.tsx';
import { Choices, DraftInput } from './replay-fields.tsx';
import { draftOf, queryOf, type ReplayDraft, requestOf } from './replay-request.ts';

/** Delivers again what an integration took in. */
export function ReplayForm({ id }: { readonly id: string }) {
  const draft = draftOf(query.value);
  const [requestId] = useState(newRequestId);
  const [isTried, setTried] = useState(false);
  const integration = integrations.value.get(id);
  const read = requestOf(draft, id, integrations.value.values());
  const start = useAction(
    async () => {
      if ('request' in read) await api.replays.startReplay({ ...read.request, requestId });
    },
    () => open(replaysPath(id)),
  );
  if (!integration)
    return isSynced.value ? <Empty title="There is no such integration" /> : <Loading what="it" />;
  const problems = isTried && 'problems' in read ? read.problems : {};
  const shown = {
    draft,
    problems,
    onChange: (part: Partial<ReplayDraft>) => setQuery(queryOf({ ...draft, ...part })),
  };
  const why = refusal('ReplayService/StartReplay');
  return (
    <>
      <header class="page-head">
        <p class="quiet">
          <a href="/integrations">Integrations</a> / <a href={integrationPath(id)}>{integration.name}</a>
        </p>
        <h1>Replay</h1>
        <p>
          Copies messages that {integration.name} took in, as far as Kafka still has them, behind what is
          waiting on the target's topic: they are delivered once more. What is waiting now is not touched.
        </p>
      </header>
      <form
        class="integration-form"
        onSubmit={(event) => {
          event.preventDefault();
          setTried(true);
          if ('request' in read) start.run();
        }}
      >
        <Choices {...shown} />
        <DraftInput
          {...shown}
          field="target"
          label="Target integration"
          help="A name or an id. Empty: the same integration."
          placeholder={integration.name}
          list={[...integrations.value.values()].map(({ name }) => name)}
        />
        <DraftInput {...shown} field="rate" label="Messages in a second" help="At most." placeholder="1000" />
        {self.value && why === undefined && 'request' in read && <ReplayCount request={read.request} />}
        {start.failure && <FailureNotice failure={start.failure} />}
        <div class="actions">
          <button type="submit" class="primary" disabled={start.isRunning || why !== undefined} title={why}>
            {start.isRunning ? 'Starting…' : 'Start the replay'}
          </button>
          <a class="button" href={integrationPath(id)}>
            Leave it
          </a>
        </div>
      </form>
    </>
  );
}
