/** What a call answered. */
export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: JSON of any method
  readonly body: any;
  readonly cookies: readonly string[];
}

/** Calls as the pages of a browser do that keeps the cookie it is given. */
export class Browser {
  readonly url: string;
  cookie: string | undefined;

  /** @param address `host:port` of the HTTP port */
  constructor(address: string) {
    this.url = `http://${address}`;
  }

  /**
   * @param method `AuthService/GetSelf`
   * @param headers what a browser says of the page that calls; without more, one of this host
   */
  async call(method: string, request: object = {}, headers?: Record<string, string>): Promise<Answer> {
    return await this.send('POST', `/penstock.v1.${method}`, request, headers);
  }

  /** The same with GET, as Connect has it for methods without side effects. */
  async get(method: string, headers: Record<string, string> = {}): Promise<Answer> {
    const query = 'connect=v1&encoding=json&message=%7B%7D';
    return await this.send('GET', `/penstock.v1.${method}?${query}`, undefined, headers);
  }

  async logIn(name: string, password: string): Promise<Answer> {
    return await this.call('AuthService/CreateSession', { password: { name, password } });
  }

  /** The status of a call as who logged in. */
  async status(): Promise<number> {
    return (await this.call('AuthService/GetSelf')).status;
  }

  async send(
    method: string,
    path: string,
    body?: object,
    headers: Record<string, string> = method === 'GET' ? {} : { origin: this.url },
  ): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...headers,
        ...(body && { 'content-type': 'application/json' }),
        ...(this.cookie !== undefined && { cookie: this.cookie }),
      },
      body: body ? JSON.stringify(body) : null,
    });
    const cookies = response.headers.getSetCookie();
    if (cookies[0] !== undefined) this.cookie = cookies[0].split(';', 1)[0];
    return { status: response.status, body: await response.json(), cookies };
  }
}
