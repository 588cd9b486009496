import { api } from '../../api/client.ts';
import { usePages } from '../../api/use-pages.ts';
import { query, setQuery } from '../../app/location.ts';
import { refusal } from '../../app/self.ts';
import { integrations } from '../../live/live.ts';
import { More } from '../../ui/more.tsx';
import { Empty, FailureNotice, Loading } from '../../ui/notice.tsx';
import { type AuditFilter, FILTER_NAMES, filterOf } from './audit-filter.ts';
import { Filters } from './filters.tsx';
import { Records } from './records.tsx';

/** Who changed what, and what was refused. */
export function AuditPage() {
  const why = refusal('AuditService/ListAuditRecords');
  const read = filterOf(query.value);
  return (
    <>
      <header class="page-head">
        <p>
          <a href="/access">Access</a>
        </p>
        <h1>Audit records</h1>
        <p class="quiet">
          Every call that changes something or is refused, and every login. Of secrets there is only that they
          changed.
        </p>
      </header>
      {why !== undefined ? (
        <p class="notice wait">{why}.</p>
      ) : (
        <>
          <Filters />
          {'problem' in read ? (
            <p class="notice bad" role="alert">
              {read.problem}
            </p>
          ) : (
            <Found filter={read.filter} />
          )}
        </>
      )}
    </>
  );
}

function Found({ filter }: { readonly filter: AuditFilter }) {
  const key = FILTER_NAMES.map((name) => query.value.get(name) ?? '').join('\n');
  const pages = usePages(async (pageToken, signal) => {
    const answer = await api.audit.listAuditRecords(
      { filter, pageSize: 100, pageToken },
      { ...(signal && { signal }) },
    );
    return { items: answer.records, token: answer.nextPageToken };
  }, key);
  const { items, page, failure, reload } = pages;
  return (
    <>
      {failure && <FailureNotice failure={failure} />}
      {!page && !failure && <Loading what="the audit records" />}
      {page && items.length === 0 && <NoRecords isFiltered={key.trim() !== ''} />}
      {items.length > 0 && (
        <>
          <p class="count quiet">
            {items.length.toLocaleString('en')} shown, the newest first{' '}
            <button type="button" class="link" onClick={reload}>
              look again
            </button>
          </p>
          <Records records={items} names={integrations.value} />
        </>
      )}
      <More pages={pages} />
    </>
  );
}

function NoRecords({ isFiltered }: { readonly isFiltered: boolean }) {
  if (!isFiltered) return <Empty title="There is no audit record yet" />;
  const none = Object.fromEntries(FILTER_NAMES.map((name) => [name, '']));
  return (
    <Empty title="No audit record is like this">
      <button type="button" onClick={() => setQuery(none)}>
        Show all
      </button>
    </Empty>
  );
}
