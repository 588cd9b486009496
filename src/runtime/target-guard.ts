import { type LookupAddress, type LookupAllOptions, lookup } from 'node:dns';
import { connect as connectTcp, type LookupFunction, Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { type AddressProblem, addressProblem, literalAddress } from './target-address.ts';

/** An integration may not connect there. */
export class TargetRefusedError extends Error {
  override readonly name = 'TargetRefusedError';
}

/** Stands before every connection of an integration: refuses targets that are not allowed, however they are written. */
export interface TargetGuard {
  /** A dns.lookup for net/tls sockets that gives only allowed addresses; fails with a `TargetRefusedError` when none is. */
  readonly lookup: LookupFunction;
  /** Throws a `TargetRefusedError` when `host` is an IP address that is not allowed: sockets do not look those up. */
  checkLiteral(host: string): void;
  /** net.connect, or tls.connect with `tls`, through both checks. What is refused is the socket's error. */
  connect(options: {
    readonly host: string;
    readonly port: number;
    readonly tls?: ConnectionOptions;
  }): Socket;
}

type Problem = (address: string) => AddressProblem | undefined;
type Resolve = (
  name: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * @param allowsLocal whether targets on this machine and in private networks are allowed; cloud metadata never is
 * @param resolve how names are resolved
 * @param problem what is wrong with an address
 */
export function createTargetGuard(
  allowsLocal: boolean,
  resolve: Resolve = lookup,
  problem: Problem = (address) => addressProblem(address, allowsLocal),
): TargetGuard {
  const checkLiteral = (host: string) => {
    const address = literalAddress(host);
    const found = address === undefined ? undefined : problem(address);
    if (found !== undefined) throw refused(host, found);
  };
  const guardedLookup = lookupThrough(resolve, problem);
  return {
    lookup: guardedLookup,
    checkLiteral,
    connect({ host, port, tls }) {
      try {
        checkLiteral(host);
      } catch (error) {
        return new Socket().destroy(error as Error);
      }
      const target = { host: host.replace(/^\[(.*)\]$/s, '$1'), port, lookup: guardedLookup };
      const socket = tls ? connectTls({ ...tls, ...target }) : connectTcp(target);
      // The address that it came to, whatever way it took there.
      socket.prependOnceListener('connect', () => {
        const { remoteAddress } = socket;
        const found = remoteAddress && problem(remoteAddress);
        if (found) socket.destroy(refused(`${host} (${remoteAddress})`, found));
      });
      return socket;
    },
  };
}

function lookupThrough(resolve: Resolve, problem: Problem): LookupFunction {
  return (name, options, callback) => {
    resolve(name, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      const allowed = addresses.filter(({ address }) => problem(address) === undefined);
      const [first] = allowed;
      if (first === undefined) {
        const address = addresses[0]?.address ?? 'no address';
        callback(refused(`${name} (${address})`, problem(address) ?? 'local'), []);
      } else if (options.all) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}

function refused(what: string, problem: AddressProblem): TargetRefusedError {
  return new TargetRefusedError(
    problem === 'metadata'
      ? `refused: ${what} is a cloud metadata address, which no integration may reach`
      : `refused: ${what} is a private address; allow it with INTEGRATIONS_ALLOW_LOCAL_NETWORK_HOSTS=true`,
  );
}
