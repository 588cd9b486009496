// penstock/client/web: the client for browsers, as JSON over HTTP with fetch. It runs wherever fetch does.
import { createConnectTransport } from '@connectrpc/connect-web';
import { type CallDefaults, type Services, servicesOver } from './services.ts';

export * from './contract.ts';

export interface WebConnectOptions extends CallDefaults {
  /** Where the HTTP port is, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Makes the requests. Unset: `fetch` of the platform. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/** The services as JSON over HTTP. */
export function connect({ url, fetch, ...defaults }: WebConnectOptions): Services {
  return servicesOver(createConnectTransport({ baseUrl: url, ...(fetch && { fetch }) }), defaults);
}
