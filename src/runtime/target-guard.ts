import { Socket } from 'node:net';
import { systemClock } from './clock.ts';
import { type LookUp, NameResolver } from './name-resolver.ts';
import { openSocket, type Target } from './open-socket.ts';
import { type AddressProblem, addressProblem, literalAddress } from './target-address.ts';

/** An integration may not connect there. */
export class TargetRefusedError extends Error {
  override readonly name = 'TargetRefusedError';
}

/** Stands before every connection of an integration: refuses targets that are not allowed, however they are written. */
export interface TargetGuard {
  /** Throws a `TargetRefusedError` when `host` is an IP address that is not allowed: sockets do not look those up. */
  checkLiteral(host: string): void;
  /** Opens a socket through both checks: of the address, and of those that a name has. What is refused is its error. */
  connect(target: Target): Socket;
}

type Problem = (address: string) => AddressProblem | undefined;

/**
 * @param allowsLocal whether targets on this machine and in private networks are allowed; cloud metadata never is
 * @param lookUp how names are looked up
 * @param problem what is wrong with an address
 */
export function createTargetGuard(
  allowsLocal: boolean,
  lookUp: LookUp = new NameResolver({ clock: systemClock }).share(),
  problem: Problem = (address) => addressProblem(address, allowsLocal),
): TargetGuard {
  const checkLiteral = (host: string) => {
    const address = literalAddress(host);
    const found = address === undefined ? undefined : problem(address);
    if (found !== undefined) throw refused(host, found);
  };
  const guardedLookUp = allowedOnly(lookUp, problem);
  return {
    checkLiteral,
    connect(target) {
      const { host } = target;
      try {
        checkLiteral(host);
      } catch (error) {
        return new Socket().destroy(error as Error);
      }
      const socket = openSocket({ ...target, host: host.replace(/^\[(.*)\]$/s, '$1') }, guardedLookUp);
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

/** Gives only allowed addresses; rejects with a `TargetRefusedError` when none is. */
export const allowedOnly =
  (lookUp: LookUp, problem: Problem): LookUp =>
  async (name, signal) => {
    const addresses = await lookUp(name, signal);
    const allowed = addresses.filter(({ address }) => problem(address) === undefined);
    if (allowed.length > 0) return allowed;
    const address = addresses[0]?.address ?? 'no address';
    throw refused(`${name} (${address})`, problem(address) ?? 'local');
  };

function refused(what: string, problem: AddressProblem): TargetRefusedError {
  return new TargetRefusedError(
    problem === 'metadata'
      ? `refused: ${what} is a cloud metadata address, which no integration may reach`
      : `refused: ${what} is a private address; allow it with INTEGRATIONS_ALLOW_LOCAL_NETWORK_HOSTS=true`,
  );
}
