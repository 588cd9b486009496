import { type Integration, IntegrationSchema } from '../../../../src/client/contract.ts';
import { secretPaths } from '../../../../src/contract/secrets.ts';

const TYPES = IntegrationSchema.oneofs.find(({ name }) => name === 'configuration')!.fields;
/** What a delivery that runs depends on: a change of anything else restarts nothing (`fingerprint`). */
const RESTARTING: ReadonlySet<string> = new Set([
  ...['name', 'enabled', 'metadata', 'delivery', 'templates'],
  ...TYPES.map(({ name }) => name),
]);

/**
 * What a save does beside changing the integration, for people; empty: nothing.
 * @param changed the paths of what differs
 */
export function consequencesOf(
  stored: Integration,
  draft: Integration,
  changed: readonly string[],
): readonly string[] {
  const told: string[] = [];
  const isChanged = (path: string) => changed.some((one) => one === path || one.startsWith(`${path}.`));
  if (isChanged('enabled')) told.push(draft.enabled ? STARTS : STOPS);
  else if (stored.enabled && changed.some((path) => RESTARTING.has(path.split('.', 1)[0]!)))
    told.push(RESTARTS);
  if (isChanged('topic_filters')) told.push(FILTERS);
  const [before, after] = [stored, draft].map(({ delivery }) => delivery?.maxExecutors ?? 1) as [
    number,
    number,
  ];
  if (after > before)
    told.push(
      `It gets ${after - before === 1 ? 'one more partition' : `${after - before} more partitions`}: the order of keys that move begins anew.`,
    );
  if (isChanged('delivery.order')) told.push(ORDER);
  const removed = removedSecrets(stored, draft);
  if (removed.length > 0)
    told.push(
      `It removes ${removed.length === 1 ? 'a stored secret' : 'stored secrets'}: ${removed.join(', ')}.`,
    );
  return told;
}

const RESTARTS = 'It restarts the delivery: what is on its way comes again.';
const STARTS = 'It starts the delivery, with what waits since it was disabled, as far as that was kept.';
const STOPS = 'It stops the delivery, and nothing more is taken in for it; what waits is kept for a while.';
const FILTERS = 'Other messages are taken in from then on; what waits already is delivered.';
const ORDER = 'The order of messages that wait already is by what was set when they came.';

/** The secrets that are stored, and that have no place any more. */
function removedSecrets({ setSecrets }: Integration, draft: Integration): readonly string[] {
  const places = secretPaths(IntegrationSchema, draft);
  return setSecrets.filter((path) => !places.has(path));
}
