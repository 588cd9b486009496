import { isSynced, nodes } from '../../live/live.ts';
import { roleName, typeName } from '../../ui/names.ts';
import { Empty, Loading } from '../../ui/notice.tsx';
import { Ago } from '../../ui/time.tsx';

/** The processes that Penstock is made of. */
export function NodesPage() {
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
          <thead>
            <tr>
              <th scope="col">Node</th>
              <th scope="col">Roles</th>
              <th scope="col">Version</th>
              <th scope="col">Types</th>
              <th scope="col">Integrations</th>
              <th scope="col">Up for</th>
              <th scope="col">Heard of</th>
              <th scope="col">Says</th>
            </tr>
          </thead>
          <tbody>
            {all.map((node) => (
              <tr key={node.serviceId}>
                <th scope="row">{node.serviceId}</th>
                <td>{node.roles.map(roleName).join(', ')}</td>
                <td>{node.version}</td>
                <td>{node.types.map(typeName).join(', ')}</td>
                <td class="number">{node.integrations}</td>
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
