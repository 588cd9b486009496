import { boolean, list, type Setting, text } from './setting.ts';

/** Who else may call over HTTP, and who may read the figures. */
export const HTTP_SETTINGS = {
  PENSTOCK_HTTP_CORS_ORIGINS: origins(
    'Origins, such as https://app.example.com, whose web pages may call the HTTP port although they are served elsewhere (CORS): with a token, never with a cookie. Unset: none.',
  ),
  PENSTOCK_UI: boolean(
    true,
    'Whether a control plane serves the web UI on its HTTP port, at /. Whoever reaches the port may load it; what it shows needs the login that its user has.',
  ),
  PENSTOCK_METRICS_TOKEN: text(
    '',
    'What /metrics asks for, as Authorization: Bearer. Unset: it is open to whoever may call.',
    { secret: true },
  ),
  PENSTOCK_METRICS_TOKEN_FILE: text(
    '',
    'The file with that token, instead of the token itself; a line break at its end does not count. Read again when it changes.',
  ),
} satisfies Record<string, Setting<unknown>>;

type Table = typeof HTTP_SETTINGS;
export type HttpSettings = { readonly [N in keyof Table]: ReturnType<Table[N]['read']> };

/** A comma-separated list of origins, read as browsers send them: in lower case, without the port that their scheme has anyway. */
function origins(help: string): Setting<readonly string[]> {
  const items = list([], help);
  return { ...items, read: (value) => items.read(value).map(originOf) };
}

function originOf(item: string): string {
  if (item === '*') throw new Error('must name each origin: with * every web page could call');
  const url = URL.parse(item);
  const isOrigin = url && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`;
  if (!isOrigin) throw new Error(`${item} must be an origin, without a path: https://app.example.com`);
  return url.origin;
}
