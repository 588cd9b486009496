import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { windowOf } from './table-window.ts';

interface LongTableProps<T> {
  readonly label: string;
  readonly columns: readonly { readonly name: string; readonly head: ComponentChildren }[];
  readonly rows: readonly T[];
  readonly keyOf: (row: T) => string;
  /** The cells of a row, as `<td>`s. */
  readonly cells: (row: T) => ComponentChildren;
  /** In pixels: every row has it. */
  readonly rowHeight: number;
  /** Called with the numbers of the first row that is drawn, and of the one after the last. */
  readonly onView?: (first: number, end: number) => void;
}

/** A table of any length, of which only the rows in view are drawn. It scrolls with the page. */
export function LongTable<T>({ label, columns, rows, keyOf, cells, rowHeight, onView }: LongTableProps<T>) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [view, setView] = useState({ top: 0, height: globalThis.innerHeight });
  useEffect(() => {
    let frame = 0;
    const look = () => {
      frame = 0;
      const top = -(body.current?.getBoundingClientRect().top ?? 0);
      setView({ top, height: globalThis.innerHeight });
    };
    const soon = () => {
      frame ||= requestAnimationFrame(look);
    };
    look();
    addEventListener('scroll', soon, { passive: true });
    addEventListener('resize', soon);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener('scroll', soon);
      removeEventListener('resize', soon);
    };
  }, []);
  const { first, end, above, below } = windowOf(rows.length, rowHeight, view.top, view.height);
  useEffect(() => onView?.(first, end), [first, end]);
  return (
    <table class="long" aria-label={label} aria-rowcount={rows.length + 1}>
      <thead>
        <tr aria-rowindex={1}>
          {columns.map(({ name, head }) => (
            <th key={name} class={`col-${name}`} scope="col">
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody ref={body}>
        <Gap height={above} />
        {rows.slice(first, end).map((row, i) => (
          <tr key={keyOf(row)} aria-rowindex={first + i + 2} style={{ height: `${rowHeight}px` }}>
            {cells(row)}
          </tr>
        ))}
        <Gap height={below} />
      </tbody>
    </table>
  );
}

/** What is not drawn is as high as it would be. It has one cell: columns that a narrow window hides would come back with more. */
function Gap({ height }: { readonly height: number }) {
  if (height === 0) return null;
  return (
    <tr class="gap">
      <td style={{ height: `${height}px` }} />
    </tr>
  );
}
