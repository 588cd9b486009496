import { type Integration, IntegrationState } from '../../../../src/client/contract.ts';
import { integrationPath } from '../../app/routes.ts';
import { stateName } from '../../ui/names.ts';
import { deadLettersText } from '../../ui/numbers.ts';
import { Ago } from '../../ui/time.tsx';
import { spanText } from '../../ui/times.ts';

interface PathProps {
  readonly integration: Integration;
  /** Where messages go, in a word. */
  readonly target: string;
}

/** The way of a message, stage by stage: an integration is a line. The stage at fault is marked, and says why. */
export function PathStrip({ integration, target }: PathProps) {
  const { topicFilters, status } = integration;
  const executors = status?.executors ?? [];
  const isFailed = status?.state === IntegrationState.FAILED;
  return (
    <ol class="path" aria-label="The way of a message">
      <li>
        <b>MQTT</b>
        <span>{topicFilters.slice(0, 3).join(', ')}</span>
        {topicFilters.length > 3 && <span>and {topicFilters.length - 3} more</span>}
      </li>
      <li>
        <b>waiting</b>
        <span class="figure">{status?.lag === undefined ? '–' : status.lag.toLocaleString('en')}</span>
        <OldestAge integration={integration} />
      </li>
      <li data-fault={executors.length === 0 && integration.enabled}>
        <b>executors</b>
        {executors.length === 0 && <span>none runs it</span>}
        {executors.slice(0, 5).map(({ serviceId, state, reason }) => (
          <span key={serviceId} title={reason}>
            {serviceId}: {stateName(state)}
          </span>
        ))}
        {executors.length > 5 && <span>and {executors.length - 5} more</span>}
      </li>
      <li data-fault={isFailed}>
        <b>{target}</b>
        <span>
          {status?.lastDeliveredTime ? 'last delivered: ' : 'nothing delivered yet'}
          {status?.lastDeliveredTime && <Ago time={status.lastDeliveredTime} />}
        </span>
        {(status?.deadLetters ?? 0n) > 0n && (
          <a href={integrationPath(integration.id, 'dead-letters')}>{deadLettersText(status?.deadLetters)}</a>
        )}
      </li>
    </ol>
  );
}

function OldestAge({ integration: { status } }: { readonly integration: Integration }) {
  const ages = (status?.executors ?? []).flatMap(({ oldestAge }) =>
    oldestAge ? [Number(oldestAge.seconds) * 1000] : [],
  );
  return ages.length === 0 ? null : <span>the oldest for {spanText(Math.max(...ages))}</span>;
}
