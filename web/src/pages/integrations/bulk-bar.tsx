import { useEffect, useRef, useState } from 'preact/hooks';
import type { Integration } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { integrations } from '../../live/live.ts';
import { NamedDialog } from '../../ui/named-dialog.tsx';
import { RoleButton } from '../../ui/role-button.tsx';
import { type BulkRun, runBulk } from './bulk.ts';
import { picked, pickNone } from './picking.tsx';

type Verb = 'Enable' | 'Disable' | 'Restart' | 'Delete';

/** By the calls for that alone. */
const CALLS: Readonly<Record<Verb, (one: Integration) => Promise<unknown>>> = {
  Enable: ({ id }) => api.integrations.enableIntegration({ id }),
  Disable: ({ id }) => api.integrations.disableIntegration({ id }),
  Restart: ({ id }) => api.integrations.restartIntegration({ id }),
  Delete: ({ id, etag }) => api.integrations.deleteIntegration({ id, etag }),
};
const VERBS = Object.keys(CALLS) as Verb[];

/** What can be done with all that are selected, and how far it is. */
export function BulkBar({ chosen }: { readonly chosen: readonly Integration[] }) {
  const { run, verb, start, again, stop, close } = useBulk();
  const [isDeleting, setDeleting] = useState(false);
  const isNone = chosen.length === 0;
  useEffect(() => {
    if (isNone) setDeleting(false);
  }, [isNone]);
  if (isNone && !run) return null;
  const begin = (one: Verb) => (one === 'Delete' ? setDeleting(true) : start(one, chosen));
  return (
    <section class="bulk" aria-label="Selected">
      {chosen.length > 0 && (
        <div class="actions">
          <b role="status">{chosen.length.toLocaleString('en')} selected</b>
          {VERBS.map((one) => (
            <RoleButton
              key={one}
              method={`IntegrationService/${one}Integration`}
              text={one}
              isOff={run?.isRunning === true}
              onClick={() => begin(one)}
            />
          ))}
          <button type="button" class="link" onClick={pickNone}>
            select none
          </button>
        </div>
      )}
      {run && <Progress run={run} verb={verb} onStop={stop} onClose={close} onRetry={() => again(run)} />}
      {isDeleting && (
        <DeleteDialog
          chosen={chosen}
          onSure={() => {
            setDeleting(false);
            start('Delete', chosen);
          }}
          onClose={() => setDeleting(false)}
        />
      )}
    </section>
  );
}

/** One at a time, which ends with the page. What is done is not selected any more: what failed is. */
function useBulk() {
  const [{ run, verb }, setBulk] = useState<{ readonly run?: BulkRun; readonly verb: Verb }>({
    verb: 'Enable',
  });
  const ends = useRef(new AbortController());
  useEffect(() => () => ends.current.abort(), []);
  const start = (verb: Verb, all: readonly Integration[]) => {
    ends.current = new AbortController();
    const call = async (one: Integration) => {
      await CALLS[verb](one);
      picked.value = new Set([...picked.value].filter((id) => id !== one.id));
    };
    void runBulk(all, call, (run) => setBulk({ run, verb }), ends.current.signal);
  };
  const close = () => setBulk({ verb });
  // As they are now, with their etags; what is gone needs nothing more.
  const again = ({ failed }: BulkRun) => {
    const left = failed.flatMap(({ one }) => integrations.peek().get(one.id) ?? []);
    if (left.length === 0) close();
    else start(verb, left);
  };
  return { run, verb, start, again, stop: () => ends.current.abort(), close };
}

interface ProgressProps {
  readonly run: BulkRun;
  readonly verb: Verb;
  readonly onStop: () => void;
  readonly onClose: () => void;
  /** Those that failed, once more. */
  readonly onRetry: () => void;
}

function Progress({
  run: { total, done, failed, isRunning },
  verb,
  onStop,
  onClose,
  onRetry,
}: ProgressProps) {
  const left = total - done - failed.length;
  return (
    <div class={failed.length > 0 ? 'notice bad' : 'notice'}>
      <p role="status">
        {verb}: {done.toLocaleString('en')} of {total.toLocaleString('en')} done
        {failed.length > 0 && `, ${failed.length.toLocaleString('en')} failed`}
        {!isRunning && left > 0 && `, ${left.toLocaleString('en')} left as they are`}
      </p>
      {failed.length > 0 && (
        <ul>
          {failed.slice(0, 20).map(({ one, failure }) => (
            <li key={one.id}>
              {one.name}: {failure.text}
            </li>
          ))}
          {failed.length > 20 && <li>and {failed.length - 20} more</li>}
        </ul>
      )}
      <div class="actions">
        {isRunning ? (
          <button type="button" onClick={onStop}>
            Stop
          </button>
        ) : (
          <>
            {failed.length > 0 && (
              <button type="button" onClick={onRetry}>
                Try those that failed again
              </button>
            )}
            <button type="button" onClick={onClose}>
              Close
            </button>
          </>
        )}
      </div>
    </div>
  );
}

interface DeleteProps {
  readonly chosen: readonly Integration[];
  readonly onSure: () => void;
  readonly onClose: () => void;
}

/** Asks for the name, or how many they are. */
function DeleteDialog({ chosen, onSure, onClose }: DeleteProps) {
  const [one, ...more] = chosen;
  if (!one) return null;
  const isOne = more.length === 0;
  return (
    <NamedDialog
      title={isOne ? `Delete ${one.name}?` : `Delete ${chosen.length} integrations?`}
      name={isOne ? one.name : String(chosen.length)}
      {...(!isOne && { label: 'How many, to be sure' })}
      verb="Delete"
      keep={isOne ? 'Keep it' : 'Keep them'}
      action={{ run: onSure, isRunning: false, failure: undefined }}
      onClose={onClose}
    >
      <p>
        What waits for {isOne ? 'it' : 'them'} and the dead letters go with {isOne ? 'it' : 'them'}.
      </p>
      {!isOne && (
        <ul class="doomed">
          {chosen.slice(0, 10).map(({ id, name }) => (
            <li key={id}>{name}</li>
          ))}
          {chosen.length > 10 && <li>and {chosen.length - 10} more</li>}
        </ul>
      )}
    </NamedDialog>
  );
}
