import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { Integration } from '../../../gen/penstock/v1/integration_pb.ts';
import type { Order } from '../order-by.ts';
import { type IntegrationSelection, type StoredIntegration, withoutNul } from './integrations.ts';

/** What integrations are listed by: columns of `listed_integrations`. */
export const ORDERS = ['create_time', 'update_time', 'name'] as const;
export type IntegrationOrder = Order<(typeof ORDERS)[number]>;
export const OLDEST_FIRST: IntegrationOrder = { by: 'create_time', isDescending: false };

/** Where a list goes on: after this position. */
export interface PageStart {
  /** Of what the list is ordered by. */
  readonly key: Date | string;
  readonly id: string;
  /** How many the pages before had. */
  readonly listed: number;
}

export interface IntegrationPage {
  readonly stored: readonly StoredIntegration[];
  /** How many there are in all; for a text, or labels that many have, among those that were looked at so far. */
  readonly total: number;
  /** Where the next page begins; undefined: this is the last. */
  readonly next: PageStart | undefined;
}

/** Which page of which list. */
export interface WantedPage {
  readonly selection: Omit<IntegrationSelection, 'ids'>;
  readonly order: IntegrationOrder;
  readonly size: number;
  readonly from: PageStart | undefined;
}

/** How an order is walked in SQL: beyond which position, and by what. */
export function walkOf({ by, isDescending }: IntegrationOrder) {
  const direction = isDescending ? 'desc' : 'asc';
  return {
    column: by,
    type: by === 'name' ? 'text' : 'timestamptz',
    isBeyond: isDescending ? '<' : '>',
    last: isDescending ? 'min' : 'max',
    against: isDescending ? 'asc' : 'desc',
    /** An order by a column and the id. */
    orderBy: (key: string, id: string) => `${key} ${direction}, ${id} ${direction}`,
  };
}

/** Where the page after these goes on. */
export function startAfter(
  stored: readonly StoredIntegration[],
  { by }: IntegrationOrder,
  from: PageStart | undefined,
): PageStart {
  const { integration } = stored.at(-1)!;
  const listed = (from?.listed ?? 0) + stored.length;
  return { key: keyOf(integration, by), id: integration.id, listed };
}

function keyOf({ name, createTime, updateTime }: Integration, by: IntegrationOrder['by']): Date | string {
  if (by === 'name') return withoutNul(name);
  return timestampDate((by === 'create_time' ? createTime : updateTime)!);
}
