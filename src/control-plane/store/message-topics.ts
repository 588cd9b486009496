import type { Topics } from '../../bus/topics.ts';
import { downlinkRows } from '../outbox/downlink.ts';
import type { Database, Queries } from './database.ts';
import { findIntegration } from './integrations.ts';
import { insertOutbox } from './outbox.ts';

// The way of the message topic of an integration that is disabled for long: kept, withdrawn, deleting, deleted, and, when
// it is enabled, withdrawn and kept again. Each step is one statement on the integration's row, so that it takes place
// before or after a change of the integration, never beside it.

/** Integrations that are disabled for longer than `ttl` milliseconds and have their topics. */
export async function longDisabledIds(queries: Queries, ttl: number, limit: number): Promise<string[]> {
  const rows = await queries.query<{ id: string }>(
    `select id from integrations where not enabled and topic_state = 'kept'
       and enabled_change_time < now() - $1 * interval '1 millisecond' order by enabled_change_time limit $2`,
    [ttl, limit],
  );
  return rows.map(({ id }) => id);
}

/** Tells ingress to write to the topic no more. Nothing happens when the integration was enabled meanwhile. */
export function withdrawTopic(db: Database, topics: Topics, id: string, ttl: number): Promise<void> {
  return db.transaction(async (queries) => {
    const rows = await queries.query(
      `update integrations set topic_state = 'withdrawn', topic_due_time = null
       where id = $1 and not enabled and topic_state = 'kept'
         and enabled_change_time < now() - $2 * interval '1 millisecond' returning id`,
      [id, ttl],
    );
    const stored = rows.length === 1 && (await findIntegration(queries, id, true));
    if (stored) await insertOutbox(queries, downlinkRows(topics, stored));
  });
}

/** Integrations whose topics are to be deleted, or were left by a node that began to. */
export async function dueTopicIds(queries: Queries, limit: number): Promise<string[]> {
  const rows = await queries.query<{ id: string }>(
    `select id from integrations where topic_state in ('withdrawn', 'deleting') and topic_due_time <= now()
     order by topic_due_time limit $1`,
    [limit],
  );
  return rows.map(({ id }) => id);
}

/**
 * From now on the topic may be gone. Answers how many messages go with it; undefined: it must not be deleted.
 * @param messages undefined: the topic is gone already, and what was noted when its deletion began counts
 */
export async function beginTopicDeletion(
  queries: Queries,
  id: string,
  messages: bigint | undefined,
): Promise<bigint | undefined> {
  const [row] = await queries.query<{ topic_messages: string }>(
    `update integrations set topic_state = 'deleting', topic_messages = coalesce($2, topic_messages)
     where id = $1 and topic_state in ('withdrawn', 'deleting') and topic_due_time <= now() returning topic_messages`,
    [id, messages ?? null],
  );
  return row && BigInt(row.topic_messages);
}

/** The topic is gone. False: the integration is, too. */
export async function endTopicDeletion(queries: Queries, id: string): Promise<boolean> {
  const rows = await queries.query(
    `update integrations set topic_state = 'deleted', topic_messages = 0
     where id = $1 and topic_state = 'deleting' returning id`,
    [id],
  );
  return rows.length === 1;
}

/** The topic is there anew. Should the integration not be enabled, the topic goes again in `delay` milliseconds. */
export async function takeBackTopic(queries: Queries, id: string, delay: number): Promise<void> {
  await queries.query(
    `update integrations set topic_state = 'withdrawn', topic_due_time = now() + $2 * interval '1 millisecond',
       topic_incarnation = topic_incarnation + 1
     where id = $1 and topic_state = 'deleted'`,
    [id, delay],
  );
}

/** Whether Kafka has every downlink record of this generation, or of a later one. */
export async function isPublished(queries: Queries, id: string, generation: bigint): Promise<boolean> {
  const sql = 'select from integrations where id = $1 and published_generation < $2';
  return (await queries.query(sql, [id, generation])).length === 0;
}

/** The integrations that have a message topic. */
export async function idsWithTopics(queries: Queries): Promise<string[]> {
  const rows = await queries.query<{ id: string }>("select id from integrations where topic_state = 'kept'");
  return rows.map(({ id }) => id);
}
