import type { Node } from '../../../../src/client/contract.ts';
import { integrationPath } from '../../app/routes.ts';
import { integrations, isSynced, nodes } from '../../live/live.ts';
import { Fact } from '../../ui/fact.tsx';
import { roleName, typeName } from '../../ui/names.ts';
import { Empty, Loading } from '../../ui/notice.tsx';
import { Ago, At } from '../../ui/time.tsx';
import { delayText, memoryText, mqttText, shareText } from './node-rates.ts';
import { isGone, seenNodes } from './seen-nodes.ts';
import { useRates } from './use-rates.ts';

/** One process: what it is, what it does, and the integrations that it runs. */
export function NodePage({ id }: { readonly id: string }) {
  const node = seenNodes.value.get(id);
  const rates = useRates(nodes.value).get(id);
  if (!node) return isSynced.value ? <Unknown id={id} /> : <Loading what="the node" />;
  const gone = isGone(node);
  return (
    <>
      <header class="page-head">
        <p>
          <a href="/nodes">Nodes</a>
        </p>
        <h1>{id}</h1>
        <p class="facts">
          {node.roles.map(roleName).join(', ')} · version {node.version} ·{' '}
          {gone ? <b class="bad">gone</b> : 'running'}, heard of <Ago time={node.lastSeenTime} /> ago
        </p>
        {node.warnings.length > 0 && <p class="reason whole">{node.warnings.join('\n')}</p>}
      </header>
      <table class="pairs" aria-label="Facts">
        <tbody>
          <Fact name="Started">
            <At time={node.startTime} />
          </Fact>
          <Fact name="CPU, of one core">{shareText(gone ? undefined : rates)}</Fact>
          <Fact name="Memory">{memoryText(node)}</Fact>
          <Fact name="Held up for, at the longest">{delayText(node)}</Fact>
          <Fact name="MQTT connections">{mqttText(node, gone ? undefined : rates)}</Fact>
          {node.figures && <Counters figures={node.figures} />}
          {node.mqttWebsocketUrl !== '' && <Fact name="MQTT over WebSocket">{node.mqttWebsocketUrl}</Fact>}
        </tbody>
      </table>
      {node.types.length > 0 && <Runs node={node} />}
    </>
  );
}

/** What became of the messages that an ingress was sent, since it started. */
function Counters({ figures }: { readonly figures: NonNullable<Node['figures']> }) {
  const { takenIn, unmatched, failed, dropped, refused } = figures;
  const counts = [
    ['taken in', takenIn],
    ['wanted by no integration', unmatched],
    ['not acknowledged', failed],
    ['of QoS 0 lost', dropped],
    ['refused', refused],
  ] as const;
  const shown = counts.filter(([, count]) => count > 0n);
  if (shown.length === 0) return null;
  return (
    <Fact name="Messages since it started">
      {shown.map(([name, count]) => `${count.toLocaleString('en')} ${name}`).join(', ')}
    </Fact>
  );
}

function Runs({ node }: { readonly node: Node }) {
  const { integrationIds, types } = node;
  const known = integrations.value;
  const more = node.integrations - integrationIds.length;
  return (
    <section>
      <h2>
        Runs {node.integrations.toLocaleString('en')} integrations of type {types.map(typeName).join(', ')}
      </h2>
      <ul>
        {integrationIds.map((id) => (
          <li key={id}>
            <a href={integrationPath(id)}>{known.get(id)?.name ?? id}</a>
          </li>
        ))}
      </ul>
      {more > 0 && <p class="quiet">And {more.toLocaleString('en')} more, which it does not tell by name.</p>}
    </section>
  );
}

function Unknown({ id }: { readonly id: string }) {
  return (
    <Empty title="There is no such node">
      <p>
        None that runs is called <code>{id}</code>: it has stopped, or has another name now.
      </p>
      <p>
        <a href="/nodes">To the nodes</a>
      </p>
    </Empty>
  );
}
