import type { Order } from '../../gen/penstock/v1/delivery_pb.ts';

/** What an order key can be made of. */
export interface Ordered {
  readonly topicName: string;
  readonly clientId: string;
  readonly userProperties: readonly { readonly key: string; readonly value: string }[];
}

/**
 * Which messages keep their order: those with the same key. Null: none do. Without a policy, and with one that a newer
 * version wrote, the client id is the key.
 */
export function orderKey(order: Order | undefined, message: Ordered): string | null {
  switch (order?.key.case) {
    case 'topic':
      return message.topicName;
    case 'userProperty': {
      const name = order.key.value;
      return message.userProperties.find(({ key }) => key === name)?.value ?? '';
    }
    case 'none':
      return null;
    default:
      return message.clientId;
  }
}
