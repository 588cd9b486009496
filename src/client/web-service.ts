import type { DescService } from '@bufbuild/protobuf';
import type { Client, Transport } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-web';
import { type CallDefaults, callingWith, clientOver } from './services.ts';

export interface WebConnectOptions extends CallDefaults {
  /** Where the HTTP port is, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** How messages go over the wire. Unset: as JSON. Binary ones are smaller, and read faster. */
  readonly format?: 'json' | 'binary' | undefined;
  /** Makes the requests. Unset: `fetch` of the platform. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

export const webTransport = ({ url, format, fetch }: WebConnectOptions): Transport =>
  createConnectTransport({ baseUrl: url, useBinaryFormat: format === 'binary', ...(fetch && { fetch }) });

/** One service over HTTP, for who calls no other: it comes without the schemas of the others. */
export const connectService = <S extends DescService>(service: S, options: WebConnectOptions): Client<S> =>
  clientOver(service, callingWith(webTransport(options), options));
