import { clone } from '@bufbuild/protobuf';
import { useEffect, useRef, useState } from 'preact/hooks';
import {
  Code,
  type Integration,
  IntegrationSchema,
  PenstockError,
  type Violation,
} from '../../../../src/client/contract.ts';
import { violationsOf } from '../../../../src/contract/validate.ts';
import { api } from '../../api/client.ts';

const LOCAL_PAUSE = 150;
const SERVER_PAUSE = 800;

type Found = readonly Pick<Violation, 'path' | 'description'>[];

interface Checks {
  /** What the rules of the schema find: the same that the server would. */
  readonly local: Found;
  /** What the server and an executor find beyond that. */
  readonly ofServer: Found;
}

/** Checks a draft as it is typed: by the rules of the schema at once, and by an executor when those find nothing. */
export function useChecks(draft: Integration, changed: readonly string[]): Checks {
  const [local, setLocal] = useState<Found>([]);
  const [ofServer, setOfServer] = useState<Found>([]);
  const isFirst = useRef(true);
  useEffect(() => {
    setOfServer([]);
    const unwanted = new AbortController();
    const look = setTimeout(
      () => {
        const found = rulesBroken(draft);
        setLocal(found);
        if (found.length > 0 || changed.length === 0) return;
        ask = setTimeout(() => {
          askServer(draft, changed, unwanted.signal).then(
            (violations) => !unwanted.signal.aborted && setOfServer(violations),
            () => {}, // who saves is told
          );
        }, SERVER_PAUSE);
      },
      isFirst.current ? 0 : LOCAL_PAUSE,
    );
    let ask: ReturnType<typeof setTimeout> | undefined;
    isFirst.current = false;
    return () => {
      clearTimeout(look);
      clearTimeout(ask);
      unwanted.abort();
    };
  }, [draft]);
  return { local, ofServer };
}

export function rulesBroken(draft: Integration): Found {
  const checked = clone(IntegrationSchema, draft);
  return violationsOf(IntegrationSchema, checked).map(({ field, description }) => ({
    path: field,
    description,
  }));
}

async function askServer(
  draft: Integration,
  changed: readonly string[],
  signal: AbortSignal,
): Promise<Found> {
  try {
    if (draft.id === '')
      await api.integrations.createIntegration({ integration: draft, validateOnly: true }, { signal });
    else {
      const updateMask = { paths: [...changed] };
      await api.integrations.updateIntegration(
        { integration: draft, updateMask, validateOnly: true },
        { signal },
      );
    }
    return [];
  } catch (error) {
    if (error instanceof PenstockError && error.code === Code.INVALID_ARGUMENT) return error.violations;
    throw error;
  }
}
