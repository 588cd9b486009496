import { computed } from '@preact/signals';
import type { ErrorReport } from '../../../src/client/contract.ts';
import { events } from './live.ts';

/** What went wrong last with each integration, by its id; as far as the stream has told. */
export const lastErrors = computed<ReadonlyMap<string, ErrorReport>>(
  () =>
    new Map(
      events.value.flatMap(({ integrationId, event }) =>
        event.case === 'error' ? [[integrationId, event.value] as const] : [],
      ),
    ),
);
