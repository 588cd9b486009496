import { api } from '../../api/client.ts';
import { useQuery } from '../../api/use-query.ts';
import { changeName } from '../../ui/names.ts';
import { FailureNotice, Loading } from '../../ui/notice.tsx';
import { TableHead } from '../../ui/table-head.tsx';
import { At } from '../../ui/time.tsx';

interface RevisionsProps {
  readonly id: string;
  /** Of now: what is shown is asked for again when it changes. */
  readonly generation: bigint;
}

/** Who changed it, and when. */
export function Revisions({ id, generation }: RevisionsProps) {
  const { value, failure } = useQuery(
    (signal) => api.revisions.listRevisions({ integrationId: id, pageSize: 100 }, { signal }),
    [id, generation],
  );
  if (failure) return <FailureNotice failure={failure} />;
  if (!value) return <Loading what="the revisions" />;
  return (
    <table>
      <TableHead names={['Generation', 'What', 'Who', 'When']} />
      <tbody>
        {value.revisions.map((revision) => (
          <tr key={String(revision.generation)}>
            <td class="number">{String(revision.generation)}</td>
            <td>{changeName(revision.change)}</td>
            <td>{revision.caller}</td>
            <td>
              <At time={revision.time} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
