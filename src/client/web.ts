// penstock/client/web: the client for browsers, over HTTP with fetch. It runs wherever fetch does.
import { type Services, servicesOver } from './services.ts';
import { type WebConnectOptions, webTransport } from './web-service.ts';

export * from './contract.ts';
export type { WebConnectOptions } from './web-service.ts';

/** The services over HTTP. */
export const connect = (options: WebConnectOptions): Services => servicesOver(webTransport(options), options);
