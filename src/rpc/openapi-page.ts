import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { DescService } from '@bufbuild/protobuf';
import type { connectNodeAdapter } from '@connectrpc/connect-node';

type PageHandler = ReturnType<typeof connectNodeAdapter>;

/** Written by `npm run generate`. */
const FILE = new URL('../../gen/openapi.json', import.meta.url);

interface OpenApi {
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly tags: readonly string[] }>>>>;
}

/** Sends the OpenAPI 3.1 document of the REST paths that these services have. Made when it is first asked for. */
export function openApiPage(services: readonly DescService[]): PageHandler {
  let page: { readonly text: Buffer; readonly etag: string } | undefined;
  return ({ headers }, response) => {
    page ??= pageOf(services);
    const { text, etag } = page;
    response.setHeader('etag', etag);
    if (headers['if-none-match'] === etag) {
      response.writeHead(304);
      response.end();
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length });
    response.end(text); // of HEAD, Node leaves it out
  };
}

function pageOf(services: readonly DescService[]) {
  const names = services.map(({ name }) => name);
  const whole: OpenApi = JSON.parse(readFileSync(FILE, 'utf8'));
  const paths = Object.entries(whole.paths).flatMap(([path, operations]) => {
    const served = Object.entries(operations).filter(([, { tags }]) =>
      tags.every((tag) => names.includes(tag)),
    );
    return served.length === 0 ? [] : [[path, Object.fromEntries(served)]];
  });
  const tags = whole.tags.filter(({ name }) => names.includes(name));
  const text = Buffer.from(JSON.stringify({ ...whole, tags, paths: Object.fromEntries(paths) }));
  const digest = createHash('sha256').update(text).digest('base64url');
  return { text, etag: `"${digest}"` };
}
