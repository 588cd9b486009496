import { integer, type Setting } from './setting.ts';

/** What callers of a node's API may have, over gRPC and HTTP. */
export const API_SETTINGS = {
  PENSTOCK_API_MAX_CONNECTIONS: integer(
    1000,
    'gRPC connections at a time; of more, the one goes that has been without a call for longest.',
    { min: 10 },
  ),
  PENSTOCK_API_MAX_CONNECTIONS_PER_ADDRESS: integer(
    500,
    'Those of them from one IP address, or one IPv6 network of 64 bits. A load balancer may be one address.',
    { min: 1 },
  ),
  PENSTOCK_API_MAX_CALLS: integer(
    3000,
    'API calls being answered at a time, over gRPC and HTTP; health is not counted.',
    { min: 10 },
  ),
  PENSTOCK_API_MAX_CALLS_PER_CALLER: integer(
    500,
    'Those of them of one caller. Over HTTP a node answers 1000 requests at a time in all.',
    { min: 1 },
  ),
  PENSTOCK_API_CHECKS_AT_ONCE: integer(
    20,
    'Connection checks that one caller, and one address, may ask for at once.',
    { min: 1 },
  ),
  PENSTOCK_API_CHECKS_PER_MINUTE: integer(60, 'How many more each may ask for in a minute.', { min: 1 }),
} satisfies Record<string, Setting<number>>;

/** By the names of their settings. */
export type ApiLimits = { readonly [N in keyof typeof API_SETTINGS]: number };

/** What holds where nothing is set. */
export const DEFAULT_API_LIMITS = Object.fromEntries(
  Object.entries(API_SETTINGS).map(([name, setting]) => [name, setting.default]),
) as ApiLimits;
