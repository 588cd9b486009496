import { CallerKind } from '../../gen/penstock/v1/access_pb.ts';
import type { Caller } from './caller.ts';

/** Whom limits take for one caller: whoever has logged in, by which token, or an address. Names of tokens are not unique. */
export function callerKey({ kind, name, tokenId, address }: Caller): string {
  const isKnown = kind !== CallerKind.UNSPECIFIED && kind !== CallerKind.ANYBODY;
  return isKnown ? `${kind} ${tokenId ?? name}` : addressKey(address);
}

/** Addresses that one machine has at its choice are one: an IPv6 network of 64 bits. Those of IPv4 are written alike. */
export function addressKey(address: string): string {
  const ipv4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (ipv4 !== undefined) return ipv4;
  if (!address.includes(':')) return address;
  const [before = '', after] = address.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => parseInt(group, 16)));
  const [left, right] = [groups(before), groups(after ?? '')];
  const all = [...left, ...Array(Math.max(0, 8 - left.length - right.length)).fill(0), ...right];
  return `${all
    .slice(0, 4)
    .map((group: number) => group.toString(16))
    .join(':')}::/64`;
}
