import { effect, signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { theme, type Zone } from '../../app/preferences.ts';
import { timeText } from '../../ui/times.ts';
import { type ChartOf, lookOf, powersAbout } from './chart-lines.ts';
import type { Grid } from './grid.ts';

const HEIGHT = 190;

/** Which bucket is pointed at, in whichever chart; null: none. */
export const pointed = signal<number | null>(null);

interface PlotProps {
  readonly chart: ChartOf;
  readonly grid: Grid;
  readonly zone: Zone;
}

/** The drawing of a chart. Who cannot see it has the same numbers in its table. */
export function Plot({ chart, grid, zone }: PlotProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const span = useRef<[number, number]>([0, 1]);
  span.current = [grid.times[0] ?? 0, Math.max(grid.now, (grid.times.at(-1) ?? 0) + 1)];
  useEffect(() => {
    const element = place.current!;
    const options = optionsOf(chart, element.clientWidth, zone, () => span.current);
    const made = new uPlot(options, dataOf(chart, grid), element);
    plot.current = made;
    const sizes = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    sizes.observe(element);
    const undo = onColours(() => made.redraw(false));
    return () => {
      undo();
      sizes.disconnect();
      made.destroy();
    };
  }, [zone, chart.lines.map(({ name }) => name).join()]);
  useEffect(() => plot.current?.setData(dataOf(chart, grid)), [chart, grid]);
  return <div ref={place} class="plot" role="img" aria-label={`${chart.title}, drawn`} />;
}

const dataOf = ({ lines }: ChartOf, { times }: Grid): uPlot.AlignedData => [
  [...times],
  ...lines.map(({ values }) => [...values]),
];

/** Calls back when other colours hold. */
function onColours(call: () => void): () => void {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  dark.addEventListener('change', call);
  const undo = effect(() => {
    void theme.value;
    queueMicrotask(call); // the document has its theme then
  });
  return () => {
    dark.removeEventListener('change', call);
    undo();
  };
}

/** A colour of the theme as a canvas takes it: nothing but the value of a property is computed. */
const colour =
  (name: string) =>
  ({ root }: uPlot): string => {
    root.style.color = `var(--${name})`;
    return getComputedStyle(root).color;
  };

function optionsOf(
  { lines, isLog, text }: ChartOf,
  width: number,
  zone: Zone,
  span: () => [number, number],
): uPlot.Options {
  const frame = {
    stroke: colour('quiet'),
    grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
  };
  const dateOf = (seconds: number) => new Date(seconds * 1000);
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { sync: { key: 'charts' }, y: false, drag: { x: false, y: false }, points: { size: 6 } },
    tzDate: (seconds) => (zone === 'UTC' ? uPlot.tzDate(dateOf(seconds), 'Etc/UTC') : dateOf(seconds)),
    scales: {
      x: { range: span },
      y: isLog
        ? { distr: 3, range: (_plot, min, max) => powersAbout(min, max) }
        : { range: (_plot, _min, max) => [0, (max ?? 0) > 0 ? max! * 1.1 : 1] },
    },
    axes: [
      { ...frame, values: (_plot, splits) => splits.map((time) => tickText(dateOf(time), zone)) },
      {
        ...frame,
        size: 64,
        values: (_plot, splits) => splits.map((value) => (value === null ? '' : text(value))),
      },
    ],
    series: [
      {},
      ...lines.map((_, i) => {
        const look = lookOf(i);
        return { stroke: colour(`line-${look.colour}`), width: 2, dash: [...look.dash] };
      }),
    ],
    hooks: {
      setCursor: [
        ({ cursor }) => {
          pointed.value = cursor.idx ?? null;
        },
      ],
    },
  };
}

/** The time of day; at midnight the day. */
function tickText(time: Date, zone: Zone): string {
  const text = timeText(time, zone);
  return text.slice(11, 16) === '00:00' ? text.slice(5, 10) : text.slice(11, 16);
}
