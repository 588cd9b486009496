import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';

/** What a browser asks a page with. */
export interface PageAsked {
  /** What stands behind `?`. */
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** The IP address that it came from. */
  readonly address: string;
}

/** What is answered. */
export interface Page {
  readonly status: number;
  readonly text: string;
  /** The content type; unset: plain text. */
  readonly type?: string;
  readonly headers?: OutgoingHttpHeaders;
}

/** Pages for whoever asks with GET, by their paths. */
export type Pages = ReadonlyMap<string, (asked: PageAsked) => Promise<Page>>;
