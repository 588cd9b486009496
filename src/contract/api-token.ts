import { hash, randomBytes } from 'node:crypto';

const PREFIX = 'pst_';

/** A new API token: 256 random bits behind what secret scanners know it by. */
export const newApiToken = (): string => PREFIX + randomBytes(32).toString('base64url');

/** What is kept of a token. It is random, so that a plain hash cannot be undone by trying. */
export const hashOfToken = (token: string): Buffer => hash('sha256', token, 'buffer');
