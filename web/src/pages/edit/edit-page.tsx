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
  if (from === '') return <IntegrationForm draftId="new" start={keptDraft('new') ?? blank()} />;
  if (asked.failure) return <FailureNotice failure={asked.failure} />;
  const copied = asked.value?.integration;
  if (!copied) return <Loading what="the integration" />;
  const draftId = `new from ${from}`;
  const start = keptDraft(draftId) ?? duplicateOf(copied);
  return <IntegrationForm draftId={draftId} start={start} lost={copied.setSecrets} />;
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
  return <IntegrationForm draftId={id} base={stored} start={start} />;
}
