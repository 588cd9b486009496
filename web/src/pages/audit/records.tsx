import {
  type AuditRecord,
  Code,
  type FieldChange,
  type Integration,
} from '../../../../src/client/contract.ts';
import { accessRoleName, callerKindName } from '../../ui/names.ts';
import { TableHead } from '../../ui/table-head.tsx';
import { At } from '../../ui/time.tsx';
import { linkOf, resultText, shortName } from './audit-filter.ts';

interface RecordsProps {
  readonly records: readonly AuditRecord[];
  /** Of now, by their ids. */
  readonly names: ReadonlyMap<string, Integration>;
}

export function Records({ records, names }: RecordsProps) {
  return (
    <table class="listing" aria-label="Audit records">
      <TableHead names={['When', 'Who', 'From', 'What', 'About', 'Result', 'What differs']} />
      <tbody>
        {records.map((record) => (
          <Row key={record.id} record={record} names={names} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ record, names }: { readonly record: AuditRecord } & Pick<RecordsProps, 'names'>) {
  const { time, caller, callerKind, role, address, method, code, changes, serviceId } = record;
  return (
    <tr title={record.id}>
      <td class="nowrap">
        <At time={time} />
      </td>
      <td>
        <b>{caller}</b>{' '}
        <span class="quiet">
          {callerKindName(callerKind)}, {accessRoleName(role)}
        </span>
      </td>
      <td data-label="from">
        {address === '' ? '–' : address}
        {serviceId !== '' && <span class="quiet"> by {serviceId}</span>}
      </td>
      <td>
        <code>{shortName(method)}</code>
      </td>
      <td data-label="about">
        <About resource={record.resource} names={names} />
      </td>
      <td data-label="result" class={code === Code.OK ? '' : 'bad'}>
        {resultText(record)}
      </td>
      <td class="differs">
        {changes.length === 0 ? <span class="quiet">–</span> : <Changes changes={changes} />}
      </td>
    </tr>
  );
}

function About({ resource, names }: { readonly resource: string } & Pick<RecordsProps, 'names'>) {
  const link = linkOf(resource);
  const [kind, id = ''] = resource.split('/');
  const name = kind === 'integrations' ? names.get(id)?.name : undefined;
  const text = name ?? (resource === '' ? '–' : resource);
  return link === undefined ? (
    <span>{text}</span>
  ) : (
    <a href={link} title={resource}>
      {text}
    </a>
  );
}

/** What differs afterwards, field by field, folded. */
function Changes({ changes }: { readonly changes: readonly FieldChange[] }) {
  return (
    <details>
      <summary>
        {changes.length === 1 ? changes[0]!.path : `${changes[0]!.path} and ${changes.length - 1} more`}
      </summary>
      <ul class="differences">
        {changes.map(({ path, before, after, secret }) => (
          <li key={path} class="wrapped">
            <code>{path}</code>{' '}
            {secret ? (
              'a secret, which is not told'
            ) : (
              <>
                {before !== '' && <del>{before}</del>} → <ins>{after === '' ? 'unset' : after}</ins>
              </>
            )}
          </li>
        ))}
      </ul>
    </details>
  );
}
