import type { Page } from '../rpc/pages.ts';

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  // What stands in the address is nobody else's.
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** Sends a browser on. */
export const redirect = (location: string, cookie: string): Page => ({
  status: 302,
  text: '',
  headers: { ...HEADERS, location, 'set-cookie': [cookie] },
});

/**
 * A page that goes on by itself. A redirect would not do: a browser that comes from another site does not send a cookie with
 * SameSite=Strict on its way through redirects.
 * @param path of this host, see `localPath`
 */
export function onwardPage(path: string, cookies: readonly string[]): Page {
  const to = escaped(path);
  return page(200, 'Logged in', `<p>You are logged in. <a href="${to}">Go on</a></p>`, {
    head: `<meta http-equiv="refresh" content="0; url=${to}">`,
    cookies,
  });
}

/** Says what went wrong, and what to do. */
export function problemPage(status: number, text: string, cookies: readonly string[] = []): Page {
  const body = `<p>${escaped(text)}</p>\n<p><a href="/login/oidc">Log in again</a></p>`;
  return page(status, 'Not logged in', body, { cookies });
}

function page(
  status: number,
  title: string,
  body: string,
  { head = '', cookies }: { readonly head?: string; readonly cookies: readonly string[] },
): Page {
  const text = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Penstock: ${title}</title>${head}</head>
<body>
<h1>${title}</h1>
${body}
</body>
</html>
`;
  return {
    status,
    text,
    type: 'text/html; charset=utf-8',
    headers: { ...HEADERS, 'set-cookie': [...cookies] },
  };
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escaped = (text: string) => text.replace(/[&<>"']/g, (one) => ESCAPES[one]!);
