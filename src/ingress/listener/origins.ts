import { isIPv6 } from 'node:net';

interface Group<T> {
  /** The longest here first. */
  readonly members: Map<T, number>;
  bytes: number;
}

/**
 * Where things come from: when there is no room for all of them, the oldest of those goes of which there are the most from one
 * place. So nobody can push out what others have there, by as many clients as he likes.
 */
export class Origins<T> {
  readonly #groups = new Map<string, Group<T>>();

  add(origin: string, member: T, bytes = 0): void {
    const group = this.#groups.get(origin) ?? { members: new Map(), bytes: 0 };
    this.#groups.set(origin, group);
    group.members.set(member, bytes);
    group.bytes += bytes;
  }

  delete(origin: string, member: T): void {
    const group = this.#groups.get(origin);
    if (!group) return;
    group.bytes -= group.members.get(member) ?? 0;
    group.members.delete(member);
    if (group.members.size === 0) this.#groups.delete(origin);
  }

  /** It takes another number of bytes now; its age stays. */
  resize(origin: string, member: T, bytes: number): void {
    const group = this.#groups.get(origin);
    const before = group?.members.get(member);
    if (!group || before === undefined) return;
    group.members.set(member, bytes);
    group.bytes += bytes - before;
  }

  /** The oldest one from where there are the most, in number or in bytes; of places that are alike, from the oldest. */
  oldestOfMost(by: 'number' | 'bytes' = 'number'): T | undefined {
    let most: Group<T> | undefined;
    const sizeOf = ({ members, bytes }: Group<T>) => (by === 'bytes' ? bytes : members.size);
    for (const group of this.#groups.values()) if (!most || sizeOf(group) > sizeOf(most)) most = group;
    return most?.members.keys().next().value;
  }
}

/** Where an address belongs to: of IPv6 one has as many as he likes, with the same first half. */
export function originOf(address: string | undefined): string {
  if (address === undefined) return 'unknown'; // it is gone already
  const mapped = address.replace(/^::ffff:(?=\d+\.)/i, '');
  if (!isIPv6(mapped)) return mapped;
  const [head = '', tail] = mapped.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length;
  return [...first, ...Array<string>(zeros).fill('0'), ...last].slice(0, 4).join(':');
}
