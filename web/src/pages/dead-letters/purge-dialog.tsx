import type { Integration } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { useQuery } from '../../api/use-query.ts';
import { NamedDialog } from '../../ui/named-dialog.tsx';
import { countText } from './groups.ts';

interface PurgeProps {
  readonly integration: Integration;
  readonly onClose: () => void;
  readonly onPurged: () => void;
}

/** Removes all dead letters, whatever the filter finds: so it counts all. */
export function PurgeDialog({ integration: { id, name }, onClose, onPurged }: PurgeProps) {
  const all = { integrationId: id, pageSize: 1, filter: { includeRedriven: true } };
  const counted = useQuery((signal) => api.deadLetters.listDeadLetters(all, { signal }), [id]);
  const purge = useAction(
    () => api.deadLetters.purgeDeadLetters({ integrationId: id }),
    () => {
      onPurged();
      onClose();
    },
  );
  const count = counted.value && countText(counted.value.totalSize, true);
  return (
    <NamedDialog
      title={`Purge the dead letters of ${name}?`}
      name={name}
      verb="Purge"
      keep="Keep them"
      action={purge}
      onClose={onClose}
    >
      <p>
        {count === undefined ? 'All dead letters go' : `${count} in all, and what is given up until then, go`}{' '}
        for ever: those that the filter does not find and those that were put back, too.
      </p>
    </NamedDialog>
  );
}
