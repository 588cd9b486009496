import type { Role } from '../../gen/penstock/v1/access_pb.ts';

/** The claims of a token, whoever made it: nothing is known of their types. */
export type Claims = Readonly<Record<string, unknown>>;

/** Which claims say who somebody is, and what they may do. */
export interface ClaimRules {
  /** The first of these that there is. */
  readonly nameClaims: readonly string[];
  /** A name, or a path of names with dots between them. */
  readonly rolesClaim: string;
  /** By a value of that claim. */
  readonly roles: ReadonlyMap<string, Role>;
}

/** Of a name, in characters. */
const MAX_NAME = 255;
/** Of the values of one claim. */
const MAX_VALUES = 10_000;

/** Who somebody is by the claims; undefined: nobody with a name. */
export function nameOf(claims: Claims, { nameClaims }: ClaimRules): string | undefined {
  for (const claim of nameClaims) {
    const name = claimAt(claims, claim);
    if (typeof name === 'string' && isName(name)) return name;
  }
  return undefined;
}

// Names stand in log lines and records: no control characters, no halves of surrogate pairs.
const isName = (text: string) =>
  text.length > 0 && text.length <= MAX_NAME && /^\P{C}+$/u.test(text) && text.trim() === text;

/** The highest role that the claims give; undefined: none. A claim is a text, or a list of texts: nothing else gives a role. */
export function roleOf(claims: Claims, { rolesClaim, roles }: ClaimRules): Role | undefined {
  const found = claimAt(claims, rolesClaim);
  const values: readonly unknown[] = Array.isArray(found) ? found.slice(0, MAX_VALUES) : [found];
  const given = values.flatMap((value) => (typeof value === 'string' ? (roles.get(value) ?? []) : []));
  return given.toSorted((a, b) => b - a)[0];
}

/** By its full name, which may hold dots as those of URLs do; else by its path. */
function claimAt(claims: Claims, name: string): unknown {
  if (name === 'email' && claims.email_verified !== true) return undefined; // anybody could claim it
  if (Object.hasOwn(claims, name)) return claims[name];
  let value: unknown = claims;
  for (const key of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Claims)[key];
  }
  return value;
}
