import { api } from '../../api/client.ts';
import { useQuery } from '../../api/use-query.ts';
import { query } from '../../app/location.ts';
import { Empty, FailureNotice, Loading } from '../../ui/notice.tsx';
import { blank, duplicateOf, keptDraft } from './draft.ts';
import { IntegrationForm } from './integration-form.tsx';

/** Makes an integration. */
export function NewPage() {
  const from = query.value.get('from') ?? '';
  const asked = useQuery(
    async (signal) =>
      from === '' ? undefined : await api.integrations.getIntegration({ id: from }, { signal }),
    [from],
  );
  if (from === '')
    return <IntegrationForm key="new" base={undefined} start={keptDraft('new') ?? blank()} lost={[]} />;
  if (asked.failure) return <FailureNotice failure={asked.failure} />;
  const copied = asked.value?.integration;
  if (!copied) return <Loading what="the integration" />;
  return <IntegrationForm key={from} base={undefined} start={duplicateOf(copied)} lost={copied.setSecrets} />;
}

/** Changes one. */
export function EditPage({ id }: { readonly id: string }) {
  const asked = useQuery((signal) => api.integrations.getIntegration({ id }, { signal }), [id]);
  if (asked.failure?.isMissing) return <Empty title="There is no such integration" />;
  if (asked.failure) return <FailureNotice failure={asked.failure} />;
  const stored = asked.value?.integration;
  if (!stored) return <Loading what="the integration" />;
  const kept = keptDraft(id);
  // One of another generation is of the past: what changed since would be undone by it.
  const start = kept && kept.etag === stored.etag ? kept : stored;
  return <IntegrationForm key={id} base={stored} start={start} lost={[]} />;
}
