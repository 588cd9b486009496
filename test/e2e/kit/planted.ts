import { randomBytes } from 'node:crypto';

/** All secrets that were planted, by what they are. */
export const secrets = new Map<string, string>();
/** A secret that each way of writing it changes. */
export function plant(name: string): string {
  const secret = `Canary+${randomBytes(9).toString('hex')}/"ä"=`;
  secrets.set(name, secret);
  return secret;
}
/** One that is good as a token. */
export function plantToken(name: string): string {
  const token = `canary-${randomBytes(24).toString('hex')}`;
  secrets.set(name, token);
  return token;
}
