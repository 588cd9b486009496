import { useState } from 'preact/hooks';
import { type Integration, IntegrationState } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useRenewed } from '../../api/use-renewed.ts';
import { Lazy } from '../../app/lazy.tsx';
import { INTEGRATION_TABS, type IntegrationTab, integrationPath } from '../../app/routes.ts';
import { refusal } from '../../app/self.ts';
import { rates, useFigures } from '../../live/figures.ts';
import { healthOf } from '../../live/health.ts';
import { integrations } from '../../live/live.ts';
import { typeName } from '../../ui/names.ts';
import { Empty, FailureNotice, Loading } from '../../ui/notice.tsx';
import { State, Unwell } from '../../ui/state.tsx';
import { Ago, At } from '../../ui/time.tsx';
import { EventTable } from '../events/event-table.tsx';
import { useEvents } from '../events/use-events.ts';
import { Actions } from './actions.tsx';
import { configuredValues } from './configured.ts';
import { PathStrip } from './path-strip.tsx';
import { Revisions } from './revisions.tsx';
import { targetOf } from './target.ts';

/** How often its figures are asked for, in milliseconds. */
const FIGURES = 5000;
const loadDeadLetters = () => import('../dead-letters/dead-letters.tsx');
const loadMessages = () => import('../messages/messages.tsx');
const loadCharts = () => import('../charts/charts.tsx');

/** One integration: how it is, what can be done about it, and how it came to be so. */
export function IntegrationPage({ id, tab }: { readonly id: string; readonly tab: IntegrationTab }) {
  const row = integrations.value.get(id);
  // The stream tells when it changed, and nothing of its figures in between.
  const asked = useRenewed(
    (signal) => api.integrations.getIntegration({ id }, { signal }),
    [id, row?.generation, row?.etag],
    FIGURES,
  );
  const whole = asked.value?.integration;
  const shown = row ?? whole;
  if (asked.failure?.isMissing && row === undefined) return <Unknown id={id} />;
  if (shown === undefined) {
    return asked.failure ? <FailureNotice failure={asked.failure} /> : <Loading what="the integration" />;
  }
  return (
    <>
      <Head integration={shown} />
      <nav class="tabs" aria-label="Parts">
        {INTEGRATION_TABS.map((one) => (
          <a key={one} href={integrationPath(id, one)} aria-current={one === tab ? 'page' : undefined}>
            {one.replace('-', ' ')}
          </a>
        ))}
      </nav>
      {asked.failure && <FailureNotice failure={asked.failure} />}
      {tab === 'overview' && <Overview integration={shown} whole={whole} />}
      {tab === 'dead-letters' && (
        <Lazy
          load={loadDeadLetters}
          what="the dead letters"
          show={({ DeadLetters }) => <DeadLetters integration={shown} />}
        />
      )}
      {tab === 'messages' && (
        <Lazy
          load={loadMessages}
          what="the messages"
          show={({ Messages }) => <Messages integrationId={id} />}
        />
      )}
      {tab === 'charts' && (
        <Lazy load={loadCharts} what="the charts" show={({ Charts }) => <Charts id={id} />} />
      )}
      {tab === 'events' && <Events id={id} />}
      {tab === 'revisions' && <Revisions id={id} generation={shown.generation} />}
    </>
  );
}

function Unknown({ id }: { readonly id: string }) {
  return (
    <Empty title="There is no such integration">
      <p>
        None has the id <code>{id}</code>: it was deleted, or the link is not whole.
      </p>
      <p>
        <a href="/integrations">To the integrations</a>
      </p>
    </Empty>
  );
}

function Head({ integration }: { readonly integration: Integration }) {
  const { id, name, description, type, generation, status } = integration;
  useFigures([id]);
  const [isCopied, setCopied] = useState(false);
  const copy = () => navigator.clipboard?.writeText(id).then(() => setCopied(true));
  return (
    <header class="page-head">
      <p class="quiet">
        <a href="/integrations">Integrations</a> / {typeName(type)}
      </p>
      <h1>{name}</h1>
      {description !== '' && <p class="quiet">{description}</p>}
      <p class="facts">
        <State state={status?.state ?? IntegrationState.UNSPECIFIED} />{' '}
        <Unwell health={healthOf(integration, rates.value.get(id))} /> since <Ago time={status?.since} /> ·
        generation {String(generation)} ·{' '}
        <button type="button" class="link" title={id} onClick={() => void copy()}>
          {isCopied ? 'id copied' : 'copy id'}
        </button>
      </p>
      {status?.reason && <p class="reason whole">{status.reason}</p>}
      <Actions integration={integration} />
    </header>
  );
}

interface OverviewProps {
  readonly integration: Integration;
  /** With its configuration; undefined: it is still asked for. */
  readonly whole: Integration | undefined;
}

function Overview({ integration, whole }: OverviewProps) {
  return (
    <>
      <PathStrip integration={whole ?? integration} target={targetOf(whole ?? integration)} />
      <section>
        <h2>Configuration</h2>
        {whole ? (
          <table class="pairs">
            <tbody>
              {configuredValues(whole).map(({ path, text }) => (
                <tr key={path}>
                  <th scope="row">
                    <code>{path}</code>
                  </th>
                  <td class="pre">{text}</td>
                </tr>
              ))}
            </tbody>
          </table>
        ) : (
          <Loading what="the configuration" />
        )}
        <p class="quiet">
          Created <At time={integration.createTime} />, changed <At time={integration.updateTime} />
        </p>
        {refusal('AuditService/ListAuditRecords') === undefined && (
          <p>
            <a href={`/audit?integration=${encodeURIComponent(integration.id)}`}>Its changes in the audit</a>
          </p>
        )}
      </section>
    </>
  );
}

function Events({ id }: { readonly id: string }) {
  return <EventTable {...useEvents(id, [])} isOfOne />;
}
