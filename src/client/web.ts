// penstock/client/web: the client for browsers, over HTTP with fetch. It runs wherever fetch does.
import { createConnectTransport } from '@connectrpc/connect-web';
import { type CallDefaults, type Services, servicesOver } from './services.ts';

export * from './contract.ts';

export interface WebConnectOptions extends CallDefaults {
  /** Where the HTTP port is, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** How messages go over the wire. Unset: as JSON. Binary ones are smaller, and read faster. */
  readonly format?: 'json' | 'binary' | undefined;
  /** Makes the requests. Unset: `fetch` of the platform. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/** The services over HTTP. */
export function connect({ url, format, fetch, ...defaults }: WebConnectOptions): Services {
  const useBinaryFormat = format === 'binary';
  return servicesOver(
    createConnectTransport({ baseUrl: url, useBinaryFormat, ...(fetch && { fetch }) }),
    defaults,
  );
}
