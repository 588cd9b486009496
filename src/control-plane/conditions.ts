import type { Condition } from '../runtime/readiness.ts';
import type { Relay } from './outbox/relay.ts';
import type { Database } from './store/database.ts';

/** Shorter is what happens when a connection breaks, or another node takes over the relay. Milliseconds. */
const POSTGRES_PATIENCE = 5000;
const RELAY_PATIENCE = 10_000;

/** What a control plane cannot do without: PostgreSQL, and the relay of what is saved to Kafka. */
export function controlPlaneConditions(db: Database, relay: Pick<Relay, 'trouble'>): readonly Condition[] {
  return [
    {
      name: 'postgresql',
      patience: POSTGRES_PATIENCE,
      trouble: () => db.trouble(),
    },
    { name: 'relay', patience: RELAY_PATIENCE, trouble: () => relay.trouble() },
  ];
}
