import { useMemo } from 'preact/hooks';
import { timestampFromDate } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useRenewed } from '../../api/use-renewed.ts';
import { query, setQuery } from '../../app/location.ts';
import { serverNow } from '../../live/live.ts';
import { Empty, FailureNotice, Loading } from '../../ui/notice.tsx';
import { secondsText } from '../../ui/numbers.ts';
import { Chart } from './chart.tsx';
import { chartsOf } from './chart-lines.ts';
import { gridOf } from './grid.ts';
import { RANGE_NAMES, RANGES, type Range, rangeOf, startOf, USUAL_RANGE } from './ranges.ts';
import '../../style/charts.css';

/** The most buckets that the server answers. */
const MAX_BUCKETS = 1000;

/** How much an integration delivered, how fast, and what failed, over a time that is chosen. */
export function Charts({ id }: { readonly id: string }) {
  const range = rangeOf(query.value.get('range'));
  const { value, failure } = useRenewed(
    (signal) => historyOf(id, range, signal),
    [id, range],
    RANGES[range].renewal,
  );
  return (
    <>
      <Ranges now={range} />
      {failure && <FailureNotice failure={failure} />}
      {!value && !failure && <Loading what="the figures" />}
      {value && <History {...value} isOld={failure !== undefined || value.range !== range} />}
    </>
  );
}

async function historyOf(id: string, range: Range, signal: AbortSignal) {
  const start = startOf(range, serverNow.value);
  const startTime = timestampFromDate(new Date(start * 1000));
  const request = { integrationIds: [id], startTime, maxBuckets: MAX_BUCKETS };
  const { series, latencyBounds } = await api.statistics.queryStatistics(request, { signal });
  return { series: series[0]!, latencyBounds, range, start, now: serverNow.value / 1000 };
}

function Ranges({ now }: { readonly now: Range }) {
  return (
    <ul class="summary ranges" aria-label="Time shown">
      {RANGE_NAMES.map((range) => (
        <li key={range}>
          <button
            type="button"
            aria-pressed={range === now}
            onClick={() => setQuery({ range: range === USUAL_RANGE ? '' : range })}
          >
            {RANGES[range].text}
          </button>
        </li>
      ))}
    </ul>
  );
}

type HistoryProps = Awaited<ReturnType<typeof historyOf>> & {
  /** It is not of now, or not of the time that is chosen. */
  readonly isOld: boolean;
};

function History({ series, latencyBounds, start, now, isOld }: HistoryProps) {
  const { grid, charts } = useMemo(() => {
    const grid = gridOf(series, start, now);
    return { grid, charts: chartsOf(series, latencyBounds, grid) };
  }, [series]);
  if (series.startSeconds.length === 0) {
    return (
      <Empty title="There are no figures of this time">
        <p>No executor of its type was heard in it, or the integration was not there yet.</p>
      </Empty>
    );
  }
  return (
    <div class="charts" data-old={isOld}>
      {charts.map((chart) => (
        <Chart key={chart.title} chart={chart} grid={grid} />
      ))}
      <p class="quiet">
        Each value is of {secondsText(grid.bucket)}. Where a line is broken nothing is known: no executor was
        heard. Latency is from taking in to delivery.
      </p>
    </div>
  );
}
