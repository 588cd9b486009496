import { createHash, timingSafeEqual } from 'node:crypto';
import type { HttpSettings } from '../runtime/http-settings.ts';
import type { Logger } from '../runtime/logger.ts';
import { followSecret } from '../runtime/secret-file.ts';
import { UserError } from '../runtime/user-error.ts';

/** Whether a request with this Authorization header may read the figures. */
export type MetricsGate = (authorization: string | undefined) => boolean;

const TOKEN = 'PENSTOCK_METRICS_TOKEN';
const FILE = 'PENSTOCK_METRICS_TOKEN_FILE';

/**
 * Who may read the figures, by the settings; undefined: they do not say.
 * @throws UserError when settings contradict each other, or the file cannot be used
 */
export function metricsGate(
  { [TOKEN]: token, [FILE]: path }: Pick<HttpSettings, typeof TOKEN | typeof FILE>,
  logger: Logger,
): MetricsGate | undefined {
  if (token !== '' && path !== '')
    throw new UserError(`${TOKEN} and ${FILE} are both set: unset one of them`);
  if (path !== '') {
    const followed = followSecret({ path, from: FILE }, logger);
    return (authorization) => isBearer(authorization, followed.current());
  }
  return token === '' ? undefined : (authorization) => isBearer(authorization, token);
}

/** Takes as long for a token that is nearly right as for any other. */
function isBearer(authorization: string | undefined, token: string): boolean {
  const given = /^Bearer +(.+)$/i.exec(authorization ?? '')?.[1];
  return given !== undefined && timingSafeEqual(digest(given), digest(token));
}

const digest = (text: string) => createHash('sha256').update(text).digest();
