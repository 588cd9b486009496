import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';

/** Where clouds tell their machines secrets. No integration has business there. */
const METADATA = blockList([
  '169.254.169.254', // AWS, Azure, Google, OpenStack and others
  '169.254.170.2', // AWS ECS
  '169.254.170.23', // AWS EKS
  '100.100.100.200', // Alibaba
  '168.63.129.16', // Azure
  'fd00:ec2::254', // AWS
  'fd00:ec2::23', // AWS EKS
  'fd20:ce::254', // Google
]);

/** What is not of the internet (IANA's special-purpose registries): here, near, or nowhere. */
const LOCAL_IPV4 = blockList([
  '0.0.0.0/8', // this host
  '10.0.0.0/8', // private
  '100.64.0.0/10', // carriers' NAT
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation
  '192.168.0.0/16', // private
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/3', // multicast, reserved, broadcast
]);

/** All but 2000::/3, which alone is given out: loopback, private, link-local, multicast, reserved. */
const LOCAL_IPV6 = blockList([
  '::/3',
  '4000::/2',
  '8000::/1',
  '2001:db8::/32', // documentation
  '3fff::/20', // documentation
]);

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    const family = isIPv4(address) ? 'ipv4' : 'ipv6';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/** What makes an IP address one that integrations may not connect to; local ones only where they are not allowed. */
export type AddressProblem = 'metadata' | 'local';

export function addressProblem(address: string, allowsLocal: boolean): AddressProblem | undefined {
  const plain = address.replace(/%.*$/s, ''); // the zone
  if (isIP(plain) === 0) return 'local';
  const inside = isIPv6(plain) ? embeddedIn(plain) : [];
  if ([plain, ...inside].some((one) => isIn(METADATA, one))) return 'metadata';
  if (allowsLocal) return undefined;
  // What carries an IPv4 address leads there.
  const leadsTo = inside.length > 0 ? inside : [plain];
  return leadsTo.some((one) => isIn(isIPv4(one) ? LOCAL_IPV4 : LOCAL_IPV6, one)) ? 'local' : undefined;
}

const isIn = (list: BlockList, address: string) => list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');

/** The IPv4 addresses that an IPv6 address carries. */
function embeddedIn(address: string): readonly string[] {
  const groups = groupsOf(address);
  const ipv4 = (at: number, flip = 0) =>
    [groups[at]!, groups[at + 1]!].flatMap((group) => [(group ^ flip) >> 8, (group ^ flip) & 0xff]).join('.');
  const beginsWith = (...wanted: readonly number[]) => wanted.every((group, i) => group === groups[i]);
  if (beginsWith(0x2002)) return [ipv4(1)]; // 6to4
  if (beginsWith(0x2001, 0)) return [ipv4(2), ipv4(6, 0xffff)]; // Teredo: server, and client with its bits flipped
  const isMapped = beginsWith(0, 0, 0, 0, 0, 0xffff);
  const isTranslated = beginsWith(0, 0, 0, 0, 0xffff, 0) || beginsWith(0x64, 0xff9b, 0, 0, 0, 0); // SIIT, NAT64
  const isCompatible = beginsWith(0, 0, 0, 0, 0, 0);
  return isMapped || isTranslated || isCompatible ? [ipv4(6)] : [];
}

function groupsOf(address: string): readonly number[] {
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const numbers = (text: string) =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  if (tail === undefined) return numbers(head);
  const [front, back] = [numbers(head), numbers(tail)];
  return [...front, ...Array<number>(8 - front.length - back.length).fill(0), ...back];
}

/**
 * The IP address that a host in a configuration is, also `localhost` and the forms that resolvers take: `127.1`,
 * `0x7f000001`, `2130706433`. Undefined: it is a name, which only a resolver knows.
 */
export function literalAddress(host: string): string | undefined {
  const bare = host.replace(/^\[(.*)\]$/s, '$1').replace(/\.$/, '');
  if (isIP(bare)) return bare;
  if (/^(.+\.)?localhost$/i.test(bare)) return '127.0.0.1';
  // Only what a number can look like: the URL parser would take a path and a port for a host as well.
  if (!/^[0-9a-fx.]+$/i.test(bare)) return undefined;
  const { hostname } = URL.parse(`http://${bare}`) ?? {};
  return hostname !== undefined && isIPv4(hostname) ? hostname : undefined;
}
