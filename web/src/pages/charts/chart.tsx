import { useState } from 'preact/hooks';
import { type Zone, zone } from '../../app/preferences.ts';
import { timeText } from '../../ui/times.ts';
import { type ChartOf, extremesOf, lookOf } from './chart-lines.ts';
import { type Grid, type GridRow, isOpen, rowsOf } from './grid.ts';
import { Plot, pointed } from './plot.tsx';

interface ChartProps {
  readonly chart: ChartOf;
  readonly grid: Grid;
}

/** A drawing, what its lines are now, at the least and at the most, and all its numbers in a table. */
export function Chart({ chart, grid }: ChartProps) {
  const { title, unit } = chart;
  return (
    <figure class="chart" aria-label={title}>
      <figcaption>
        <h2>
          {title} <span class="quiet">{unit}</span>
        </h2>
        <Legend chart={chart} grid={grid} />
      </figcaption>
      <Plot chart={chart} grid={grid} zone={zone.value} />
      <AsTable chart={chart} grid={grid} />
    </figure>
  );
}

const valueText = (value: number | null | undefined, text: (value: number) => string) =>
  value === null || value === undefined ? '–' : text(value);

const at = (seconds: number, zone: Zone) => timeText(new Date(seconds * 1000), zone);

function Legend({ chart: { title, lines, text }, grid }: ChartProps) {
  const index = pointed.value;
  const time = index === null ? undefined : grid.times[index];
  return (
    <table class="legend" aria-label={`${title}: lines`}>
      <thead>
        <tr>
          <th scope="col">
            <span class="unseen">Line</span>
          </th>
          <th scope="col">now</th>
          <th scope="col">min</th>
          <th scope="col">max</th>
          <th scope="col">{time === undefined ? 'at' : at(time, zone.value).slice(11, 16)}</th>
        </tr>
      </thead>
      <tbody>
        {lines.map((line, i) => {
          const { now, min, max } = extremesOf(line);
          const there = time === undefined ? null : line.values[index!];
          return (
            <tr key={line.name}>
              <th scope="row">
                <Swatch line={i} /> {line.name}
              </th>
              {[now, min, max, there].map((value, column) => (
                <td key={column} class="number">
                  {valueText(value, text)}
                </td>
              ))}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** A piece of the line. */
function Swatch({ line }: { readonly line: number }) {
  const { colour, dash } = lookOf(line);
  return (
    <svg class={`swatch line-${colour}`} viewBox="0 0 30 8" width="30" height="8" aria-hidden="true">
      <path d="M0 4h30" stroke="currentColor" stroke-width="2.5" stroke-dasharray={dash.join(' ')} />
    </svg>
  );
}

/** The table is made when it is wanted: there are hundreds of rows. */
function AsTable({ chart, grid }: ChartProps) {
  const [isWanted, setWanted] = useState(false);
  const { title, unit, lines } = chart;
  return (
    <details onToggle={({ currentTarget }) => setWanted(currentTarget.open)}>
      <summary>as table</summary>
      {isWanted && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: by the keyboard, too, it can be scrolled
        <section class="scrolls" tabIndex={0} aria-label={`${title} as table`}>
          <table aria-label={`${title} ${unit}`.trim()}>
            <thead>
              <tr>
                <th scope="col">From</th>
                {lines.map(({ name }) => (
                  <th key={name} scope="col">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rowsOf(grid).map((row) => (
                <Row key={row.from} row={row} chart={chart} grid={grid} />
              ))}
            </tbody>
          </table>
        </section>
      )}
    </details>
  );
}

function Row({
  row: { from, until, index },
  chart: { lines, text },
  grid,
}: ChartProps & { readonly row: GridRow }) {
  if (index === undefined) {
    return (
      <tr>
        <th scope="row" class="nowrap">
          {at(from, zone.value)} <br />
          to {at(until, zone.value)}
        </th>
        <td colSpan={lines.length} class="quiet">
          none: nothing was told
        </td>
      </tr>
    );
  }
  return (
    <tr>
      <th scope="row" class="nowrap">
        {at(from, zone.value)}
        {isOpen(grid, index) && <span class="quiet"> not over yet</span>}
      </th>
      {lines.map(({ name, values }) => (
        <td key={name} class="number">
          {valueText(values[index], text)}
        </td>
      ))}
    </tr>
  );
}
