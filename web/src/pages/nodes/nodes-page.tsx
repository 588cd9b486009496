import type { Node } from '../../../../src/client/contract.ts';
import { nodePath } from '../../app/routes.ts';
import { isSynced, nodes } from '../../live/live.ts';
import { roleName, typeName } from '../../ui/names.ts';
import { Empty, Loading } from '../../ui/notice.tsx';
import { TableHead } from '../../ui/table-head.tsx';
import { Ago } from '../../ui/time.tsx';
import { delayText, memoryText, mqttText, type NodeRates, shareText } from './node-rates.ts';
import { isGone, seenNodes } from './seen-nodes.ts';
import { useRates } from './use-rates.ts';

const COLUMNS = [
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
];

/** The processes that Penstock is made of. */
export function NodesPage() {
  const rates = useRates(nodes.value);
  const all = [...seenNodes.value.values()].toSorted((a, b) => (a.serviceId < b.serviceId ? -1 : 1));
  const versions = new Set(nodes.value.map(({ version }) => version));
  return (
    <>
      <header class="page-head">
        <h1>Nodes</h1>
      </header>
      {versions.size > 1 && (
        <p class="notice wait">
          The nodes run different versions, {[...versions].toSorted().join(' and ')}: an upgrade is under way,
          or was not finished.
        </p>
      )}
      {!isSynced.value && all.length === 0 && <Loading what="the nodes" />}
      {isSynced.value && all.length === 0 && <Empty title="No node reports itself" />}
      {all.length > 0 && (
        <table class="listing" aria-label="Nodes">
          <TableHead names={COLUMNS} />
          <tbody>
            {all.map((node) => (
              <Row key={node.serviceId} node={node} rates={rates.get(node.serviceId)} />
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

interface RowProps {
  readonly node: Node;
  readonly rates: NodeRates | undefined;
}

function Row({ node, rates }: RowProps) {
  const { serviceId, roles, version, types, integrations, warnings } = node;
  const gone = isGone(node);
  return (
    <tr class={gone ? 'gone' : ''}>
      <td>
        <a href={nodePath(serviceId)}>{serviceId}</a>
      </td>
      <td>{roles.map(roleName).join(', ')}</td>
      <td data-label="version">{version}</td>
      <td>{types.map(typeName).join(', ')}</td>
      <td class="number" data-label="integrations">
        {types.length === 0 ? '–' : <a href={nodePath(serviceId)}>{integrations.toLocaleString('en')}</a>}
      </td>
      <td class="number" data-label="CPU">
        {gone ? '–' : shareText(rates)}
      </td>
      <td class="number nowrap" data-label="memory">
        {gone ? '–' : memoryText(node)}
      </td>
      <td class="number nowrap" data-label="held up">
        {gone ? '–' : delayText(node)}
      </td>
      <td class="number nowrap" data-label="MQTT">
        {gone ? '–' : mqttText(node, rates)}
      </td>
      <td data-label="up for">{gone ? '–' : <Ago time={node.startTime} />}</td>
      <td data-label="heard of">
        {gone && <b class="bad">gone, </b>}
        <Ago time={node.lastSeenTime} /> ago
      </td>
      <td class="pre bad">{warnings.join('\n')}</td>
    </tr>
  );
}
