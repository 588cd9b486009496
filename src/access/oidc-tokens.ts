import { createHash } from 'node:crypto';
import { errors, type JWTVerifyResult, jwtVerify } from 'jose';
import { CallerKind, type Role } from '../../gen/penstock/v1/access_pb.ts';
import type { Caller } from '../rpc/caller.ts';
import type { Clock } from '../runtime/clock.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { type ClaimRules, type Claims, nameOf, roleOf } from './oidc-claims.ts';
import type { OidcProvider, Provider } from './oidc-provider.ts';

/** With a key pair each: what is signed with a key that everybody may know proves nothing. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];
/** Of the provider's clock and this one's, in seconds. */
const CLOCK_TOLERANCE = 30;
/** Of access tokens and of ID tokens; others, such as those that end a session, let nobody in. */
const TYPES: readonly unknown[] = [undefined, 'JWT', 'at+jwt', 'application/at+jwt'];
/** Longer ones do not fit into a header. In characters. */
const MAX_LENGTH = 16 << 10;
/** Tokens that are known to be good, and for how long at most, in milliseconds. */
const MAX_KNOWN = 10_000;
const KNOWN_FOR = 300_000;

/** Whom a token is of. */
export interface Person {
  readonly name: string;
  readonly role: Role;
}

interface Known extends Person {
  /** When its time is over; wall-clock time in milliseconds. */
  readonly end: number;
  /** When it is looked at anew, on the monotonic clock. */
  readonly until: number;
}

type Reason = 'malformed' | 'key' | 'expired' | 'claims' | 'role';

interface Deps {
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'oidcRefused'>;
}

/** Lets callers in by tokens of an OpenID Connect provider. */
export class OidcTokens {
  readonly #provider: OidcProvider;
  readonly #rules: ClaimRules & { readonly audience: string };
  readonly #deps: Deps;
  /** By their hashes, the one that was verified longest ago first. */
  readonly #known = new Map<string, Known>();

  constructor(provider: OidcProvider, rules: ClaimRules & { readonly audience: string }, deps: Deps) {
    this.#provider = provider;
    this.#rules = rules;
    this.#deps = deps;
  }

  /**
   * Whose token it is; undefined: nobody's who is let in.
   * @throws RpcError UNAVAILABLE when the provider's keys are not known now
   */
  async callerOf(token: string, address: string): Promise<Caller | undefined> {
    if (token.length > MAX_LENGTH) return this.#refuse('malformed', 'it is too long');
    const hash = createHash('sha256').update(token).digest('base64');
    const { clock } = this.#deps;
    const known = this.#known.get(hash);
    if (known && clock.now() < known.end && clock.monotonic() < known.until)
      return callerFrom(known, address);
    this.#known.delete(hash);
    const claims = await this.claimsOf(token, this.#rules.audience);
    const person = claims && this.personOf(claims);
    if (person === undefined) return undefined;
    if (this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.keys().next().value!);
    const end = Number(claims?.exp) * 1000;
    this.#known.set(hash, { ...person, end, until: clock.monotonic() + KNOWN_FOR });
    return callerFrom(person, address);
  }

  /**
   * What a token says, when the provider has signed it for this audience and it holds now; else undefined.
   * @throws RpcError UNAVAILABLE when the provider's keys are not known now
   */
  async claimsOf(token: string, audience: string): Promise<Claims | undefined> {
    const provider = await this.#provider.current();
    try {
      const { protectedHeader, payload } = await this.#verified(token, audience, provider);
      if (!TYPES.includes(protectedHeader.typ)) return this.#refuse('claims', 'its type is another one');
      // Whoever shows it would have to prove that it is theirs, which a bearer token does not.
      if (payload.cnf !== undefined) return this.#refuse('claims', 'it is bound to a key (cnf)');
      return payload;
    } catch (error) {
      return this.#refuse(reasonOf(error), messageOf(error));
    }
  }

  /** Who somebody is by the claims of a token; undefined: nobody with a role. */
  personOf(claims: Claims): Person | undefined {
    const name = nameOf(claims, this.#rules);
    if (name === undefined) return this.#refuse('claims', 'none of its claims is a name');
    const role = roleOf(claims, this.#rules);
    if (role !== undefined) return { name, role };
    this.#deps.metrics.oidcRefused.inc({ reason: 'role' });
    this.#deps.logger.info('somebody whom PENSTOCK_OIDC_ROLES gives no role was not let in', {
      name,
      claim: this.#rules.rolesClaim,
    });
    return undefined;
  }

  async #verified(token: string, audience: string, provider: Provider): Promise<JWTVerifyResult> {
    const options = {
      issuer: this.#provider.issuer,
      audience,
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE,
      requiredClaims: ['exp'],
      currentDate: new Date(this.#deps.clock.now()),
    };
    try {
      return await jwtVerify(token, provider.key, options);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      const next = await this.#provider.after(provider);
      if (next === undefined) throw error;
      return await jwtVerify(token, next.key, options);
    }
  }

  #refuse(reason: Reason, why: string): undefined {
    this.#deps.metrics.oidcRefused.inc({ reason });
    this.#deps.logger.debug('a token of the OpenID Connect provider was not taken', { reason, why });
    return undefined;
  }
}

const callerFrom = ({ name, role }: Person, address: string): Caller => ({
  name,
  kind: CallerKind.OIDC,
  role,
  address,
});

function reasonOf(error: unknown): Reason {
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWTClaimValidationFailed) return error.claim === 'nbf' ? 'expired' : 'claims';
  if (error instanceof errors.JWTInvalid || error instanceof errors.JWSInvalid) return 'malformed';
  return 'key';
}

/** Whether a token has the form of one of a provider's: three parts, of which the first begins as JSON objects do. */
export const isJwt = (token: string): boolean => /^eyJ[\w-]*\.[\w-]*\.[\w-]*$/.test(token);
