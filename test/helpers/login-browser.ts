/** What a browser was answered. */
export interface Visited {
  readonly url: URL;
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** A browser as far as logging in goes: it keeps cookies of each host and sends them by their paths. */
export class LoginBrowser {
  /** By host, then by name. */
  readonly cookies = new Map<string, Map<string, { readonly value: string; readonly path: string }>>();

  /** One page, without going on. */
  async get(url: URL | string, headers: Readonly<Record<string, string>> = {}): Promise<Visited> {
    const at = new URL(url);
    const jar = this.#jarOf(at);
    const sent = [...jar].filter(([, { path }]) => at.pathname.startsWith(path));
    const cookie = sent.map(([name, { value }]) => `${name}=${value}`).join('; ');
    const answer = await fetch(at, {
      redirect: 'manual',
      headers: { ...headers, ...(cookie !== '' && { cookie }) },
    });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (/max-age=0/i.test(line)) jar.delete(name);
      else jar.set(name, { value, path: /path=([^;]*)/i.exec(line)?.[1] ?? '/' });
    }
    return { url: at, status: answer.status, text: await answer.text(), headers: answer.headers };
  }

  /** The same, and on by redirects. */
  async follow(url: URL | string): Promise<Visited> {
    let page = await this.get(url);
    for (let hops = 0; page.status === 302 && hops < 10; hops++) page = await this.get(locationOf(page));
    return page;
  }

  cookie(url: URL | string, name: string): string | undefined {
    return this.#jarOf(new URL(url)).get(name)?.value;
  }

  // Browsers keep cookies by host, whatever the port: here every server of a test is a host.
  #jarOf({ host }: URL) {
    let jar = this.cookies.get(host);
    if (!jar) {
      jar = new Map();
      this.cookies.set(host, jar);
    }
    return jar;
  }
}

/** Where a redirect leads. */
export const locationOf = ({ headers, url }: Visited): URL => new URL(headers.get('location') ?? '', url);

/** Where a page goes on to by itself. */
export const refreshOf = ({ text }: Visited): string | undefined =>
  /http-equiv="refresh" content="0; url=([^"]*)"/.exec(text)?.[1]?.replaceAll('&amp;', '&');
