import { durationMs, type Node, NodeRole } from '../../../../src/client/contract.ts';
import { isSynced, nodes } from '../../live/live.ts';
import { roleName, typeName } from '../../ui/names.ts';
import { Empty, Loading } from '../../ui/notice.tsx';
import { TableHead } from '../../ui/table-head.tsx';
import { Ago } from '../../ui/time.tsx';
import { cpuText, memoryText, type NodeRates } from './node-rates.ts';
import { useRates } from './use-rates.ts';

/** The processes that Penstock is made of. */
export function NodesPage() {
  const rates = useRates(nodes.value);
  const all = nodes.value.toSorted((a, b) => (a.serviceId < b.serviceId ? -1 : 1));
  return (
    <>
      <header class="page-head">
        <h1>Nodes</h1>
      </header>
      {!isSynced.value && all.length === 0 && <Loading what="the nodes" />}
      {isSynced.value && all.length === 0 && <Empty title="No node reports itself" />}
      {all.length > 0 && (
        <table>
          <TableHead
            names={[
              'Node',
              'Roles',
              'Version',
              'Types',
              'Integrations',
              'CPU',
              'Memory',
              'Held up',
              'MQTT',
              'Up for',
              'Heard of',
              'Says',
            ]}
          />
          <tbody>
            {all.map((node) => (
              <tr key={node.serviceId}>
                <th scope="row">{node.serviceId}</th>
                <td>{node.roles.map(roleName).join(', ')}</td>
                <td>{node.version}</td>
                <td>{node.types.map(typeName).join(', ')}</td>
                <td class="number">{node.integrations}</td>
                <Figures node={node} rates={rates.get(node.serviceId)} />
                <td>
                  <Ago time={node.startTime} />
                </td>
                <td>
                  <Ago time={node.lastSeenTime} /> ago
                </td>
                <td class="pre bad">{node.warnings.join('\n')}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

interface FiguresProps {
  readonly node: Node;
  readonly rates: NodeRates | undefined;
}

/** What it uses, and what it takes in. */
function Figures({ node: { figures, roles }, rates }: FiguresProps) {
  if (!figures) return <td colSpan={4}>–</td>;
  const delay = figures.eventLoopDelay;
  const isIngress = roles.includes(NodeRole.INGRESS);
  return (
    <>
      <td class="number">{rates ? cpuText(rates.cpu) : '–'}</td>
      <td class="number nowrap">{memoryText(figures.rssBytes)}</td>
      <td class="number nowrap">{delay ? `${Math.round(durationMs(delay))} ms` : '–'}</td>
      <td class="number nowrap">
        {isIngress ? `${figures.mqttConnections} open, ${rates ? rates.takenIn.toFixed(1) : '–'}/s` : '–'}
      </td>
    </>
  );
}
