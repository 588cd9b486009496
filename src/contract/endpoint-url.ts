import { compileTemplate, type MissingRule, type TemplateSource, templateProblem } from './template.ts';

/** Writes a part of a request out of a message. Throws an `UnencodableError`. */
export type Write = (source: TemplateSource) => string;

export const hasPlaceholder = (text: string) => text.includes('${');

/** A placeholder or an escaped `${`; characters that must be encoded in a URL; the fragment. */
const PIECE = /\$?\$\{[^}]*\}?|[^!$-;=?-Z_a-z~[\]#]+|#.*$/gs;
const DOT_SEGMENT = /\/\.\.?(?:[/?]|$)/;

/** Where the endpoint is: scheme, host and port, the same for all messages. */
export function originOf(url: string): URL {
  return new URL(splitUrl(url).origin);
}

/** Path and query of the requests; a function where they have placeholders. */
export function requestPath(url: string, missing: MissingRule): string | Write {
  if (hasPlaceholder(url)) return compileTemplate(pathTemplate(url), 'url', missing);
  const { pathname, search } = new URL(url);
  return pathname + search;
}

/** The path to ask without a message: up to the segment, or the query parameter, of the first placeholder. */
export function checkPath(url: string): string {
  if (!hasPlaceholder(url)) return requestPath(url, { rule: 'fail', value: '' }) as string;
  const [fixed = '/'] = pathTemplate(url).split('${', 1);
  return fixed.replace(/[^/?&]*$/, '').replace(/[?&]$/, '');
}

/** What is wrong with the URL, for people; undefined: nothing. */
export function urlProblem(url: string): string | undefined {
  if (!URL.canParse(hasPlaceholder(url) ? splitUrl(url).origin : url)) {
    return 'is not a URL: use one such as http://127.0.0.1:9999/in';
  }
  if (!hasPlaceholder(url)) return undefined;
  const path = pathTemplate(url);
  const problem = templateProblem(path);
  if (problem !== undefined) return problem;
  return DOT_SEGMENT.test(path.replaceAll(/\$\{[^}]*\}/g, 'x').split('?', 1)[0] ?? '')
    ? 'has . or .. as a part of its path: leave it out, a server takes it for another place'
    : undefined;
}

function splitUrl(url: string): { readonly origin: string; readonly rest: string } {
  const [, origin = '', rest = ''] = /^([^/]*\/\/[^/?#]*)(.*)$/s.exec(url) ?? [];
  return { origin, rest };
}

/** Path and query as a template whose fixed text is encoded as it is on the wire, without the fragment. */
function pathTemplate(url: string): string {
  const { rest } = splitUrl(url);
  const encoded = rest.replaceAll(PIECE, (piece) => {
    if (piece.startsWith('$')) return piece;
    return piece.startsWith('#') ? '' : encodeURIComponent(piece);
  });
  return encoded.startsWith('/') ? encoded : `/${encoded}`;
}
