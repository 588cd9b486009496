import type { ListedDeadLetter } from '../../../../src/client/contract.ts';
import { failureName } from '../../ui/names.ts';
import { TableHead } from '../../ui/table-head.tsx';
import { At } from '../../ui/time.tsx';
import { textOf } from './payload.ts';

interface TableProps {
  readonly letters: readonly ListedDeadLetter[];
  readonly onOpen: (id: string) => void;
}

const BEGIN = 60;

export function LetterTable({ letters, onOpen }: TableProps) {
  return (
    <table class="listing" aria-label="Dead letters">
      <TableHead names={['Given up', 'Topic', 'Client', 'Why', 'Tries', 'Payload']} />
      <tbody>
        {letters.map(({ id, deadLetter, envelope, redrivenTime }) => (
          <tr key={id}>
            <td>
              <button type="button" class="link" onClick={() => onOpen(id)}>
                <span class="unseen">Open {id}, </span>
                <At time={deadLetter?.lastAttemptTime} />
              </button>
              {redrivenTime && <span class="quiet"> put back</span>}
            </td>
            <td class="pre topic" data-label="Topic">
              <code>{envelope?.topicName ?? '–'}</code>
            </td>
            <td class="pre" data-label="Client">
              {envelope?.clientId ?? '–'}
            </td>
            <td class="pre why" data-label="Why">
              <b>{failureName(deadLetter?.failureClass ?? 0)}</b> {deadLetter?.reason}
            </td>
            <td class="number" data-label="Tries">
              {deadLetter?.attempts}
            </td>
            <td class="pre" data-label="Payload">
              <code>{envelope ? beginOf(envelope.payload) : 'cannot be read'}</code>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The begin of a payload, in a line. */
function beginOf(payload: Uint8Array): string {
  const text = textOf(payload.subarray(0, BEGIN)) ?? textOf(payload);
  if (text === undefined) return `${payload.length.toLocaleString('en')} bytes`;
  const begin = text.slice(0, BEGIN).replaceAll(/\s+/g, ' ');
  return payload.length > BEGIN ? `${begin}…` : begin;
}
