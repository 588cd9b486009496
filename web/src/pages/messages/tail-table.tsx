import { useEffect, useRef } from 'preact/hooks';
import { zone } from '../../app/preferences.ts';
import { LongTable } from '../../ui/long-table.tsx';
import { msOf, spanText } from '../../ui/times.ts';
import { clockText, type Line, stageText } from './lines.ts';

const COLUMNS = ['Time', 'Topic', 'Client', 'QoS', 'Bytes', 'Payload', 'Stage'].map((head) => ({
  name: `tail-${head.toLowerCase()}`,
  head,
}));
const ROW = 34;

interface TailTableProps {
  readonly lines: readonly Line[];
  readonly onOpen: (id: string) => void;
  /** The newest one is scrolled out of sight. */
  readonly onAway: () => void;
}

/** The newest on top. */
export function TailTable({ lines, onOpen, onAway }: TailTableProps) {
  const around = useRef<HTMLDivElement>(null);
  const away = useRef(onAway);
  away.current = onAway;
  useEffect(() => {
    const look = () => {
      if ((around.current?.getBoundingClientRect().top ?? 0) < 0) away.current();
    };
    addEventListener('scroll', look, { passive: true });
    return () => removeEventListener('scroll', look);
  }, []);
  return (
    <div ref={around} class="tail" aria-live="off">
      <LongTable
        label="Messages"
        columns={COLUMNS}
        rows={lines}
        keyOf={({ key }) => key}
        rowHeight={ROW}
        cells={(line) => <Cells line={line} onOpen={onOpen} />}
      />
    </div>
  );
}

function Cells({ line, onOpen }: { readonly line: Line; readonly onOpen: (id: string) => void }) {
  if (line.kind !== 'message') {
    return (
      <td class="between" colSpan={COLUMNS.length}>
        {line.kind === 'left-out'
          ? `${line.count.toLocaleString('en')} left out: more came than are shown`
          : `not followed for ${spanText(line.to - line.from)}: some may be missing here`}
      </td>
    );
  }
  const { id, envelope, storedTime, payloadSize, outcome } = line.message;
  const time = storedTime ?? envelope?.receivedTime;
  return (
    <>
      <td>
        <button type="button" class="link" onClick={() => onOpen(id)}>
          <span class="unseen">Open {id}, </span>
          {time ? clockText(msOf(time), zone.value) : '–'}
        </button>
      </td>
      <td title={envelope?.topicName}>
        <code>{envelope?.topicName}</code>
      </td>
      <td title={envelope?.clientId}>{envelope?.clientId}</td>
      <td class="number">{envelope?.qos}</td>
      <td class="number">{payloadSize.toLocaleString('en')}</td>
      <td>
        <code>{line.begin}</code>
      </td>
      <td class={outcome?.deadLetterId ? 'bad' : ''} title={outcome?.reason || undefined}>
        {stageText(outcome?.stage)}
      </td>
    </>
  );
}
