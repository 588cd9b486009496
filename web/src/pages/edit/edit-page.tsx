import { api } from '../../api/client.ts';
import { useQuery } from '../../api/use-query.ts';
import { Empty, FailureNotice, Loading } from '../../ui/notice.tsx';
import { blank, duplicateOf, keptDraft } from './draft.ts';
import { IntegrationForm } from './integration-form.tsx';

/** Makes an integration. @param from the id of one that it begins as; empty: none */
export function NewPage({ from }: { readonly from: string }) {
  const asked = useQuery(
    async (signal) =>
      from === '' ? undefined : await api.integrations.getIntegration({ id: from }, { signal }),
    [from],
  );
  if (from === '') {
    const kept = keptDraft('new');
    return <IntegrationForm draftId="new" start={kept?.draft ?? blank()} typed={kept?.lost ?? []} />;
  }
  if (asked.failure) return <FailureNotice failure={asked.failure} />;
  const copied = asked.value?.integration;
  if (!copied) return <Loading what="the integration" />;
  const draftId = `new from ${from}`;
  const kept = keptDraft(draftId);
  const start = kept?.draft ?? duplicateOf(copied);
  return (
    <IntegrationForm draftId={draftId} start={start} lost={copied.setSecrets} typed={kept?.lost ?? []} />
  );
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
  const isOfNow = kept?.draft.etag === stored.etag;
  return (
    <IntegrationForm
      draftId={id}
      base={stored}
      start={kept && isOfNow ? kept.draft : stored}
      typed={kept && isOfNow ? kept.lost : []}
    />
  );
}
