import { authority } from './authority.ts';
import { messageOf } from './logger.ts';
import { UserError } from './user-error.ts';

/**
 * Why a port cannot be listened on, and what to do; `setting`: the one that chooses the port. Goes by the text of the
 * error: grpc-js keeps the code of the cause only there.
 */
export function listenError(error: unknown, host: string, port: number, setting: string): UserError {
  const text = messageOf(error);
  const message = text.includes('EADDRINUSE')
    ? `port ${port} is in use: free it, or choose another with ${setting}`
    : `cannot listen on ${authority(host, port)} (${text}): check PENSTOCK_BIND_ADDRESS and ${setting}`;
  return new UserError(message, { cause: error });
}
