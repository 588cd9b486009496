import { At } from '../../ui/time.tsx';
import type { Property } from './properties.ts';

export function Properties({
  of,
  properties,
}: {
  readonly of: string;
  readonly properties: readonly Property[];
}) {
  return (
    <section>
      <h3>{of}</h3>
      <table class="pairs" aria-label={of}>
        <tbody>
          {properties.map(({ name, value }, i) => (
            <tr key={`${i} ${name}`}>
              <th scope="row">{name}</th>
              <td class="pre">{typeof value === 'string' ? value : <At time={value} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
