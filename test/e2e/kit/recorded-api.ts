import type { RoleRun } from '../../helpers/roles.ts';
import { secrets } from './planted.ts';
import type { Place } from './searched.ts';

export interface Api {
  /** What was answered so far. */
  readonly answers: Place[];
  /** The JSON that a call is answered, whether it succeeds or not. */
  // biome-ignore lint/suspicious/noExplicitAny: JSON of any method
  call(line: string, body?: unknown, headers?: Record<string, string>): Promise<any>;
}

/** Calls a node over HTTP, and keeps all that it answers. */
export function apiOf(node: RoleRun, token: string): Api {
  const answers: Place[] = [];
  return {
    answers,
    async call(line, body, headers = { authorization: `Bearer ${token}` }) {
      const [method = '', path = ''] = line.split(' ');
      const response = await fetch(`http://${node.address('HTTP')}${path}`, {
        method,
        redirect: 'manual',
        headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const told = await response.text();
      const isJson = response.headers.get('content-type')?.includes('json');
      const answer = isJson ? JSON.parse(told.trim().split('\n').at(-1)!) : {};
      if (answer.value !== undefined) {
        // Whoever makes a token is told it, once: the only way to have it.
        secrets.set(`the value of ${line}`, answer.value);
        answers.push([line, Buffer.from(told.replaceAll(answer.value, ''))]);
      } else answers.push([line, Buffer.from(told)]);
      for (const [name, value] of response.headers) {
        // A browser is told its session, in a header that no script reads.
        const session = name === 'set-cookie' ? /^penstock_session=([\w-]{43})/.exec(value)?.[1] : undefined;
        if (session !== undefined) secrets.set(`the session of ${line} ${secrets.size}`, session);
        else answers.push([`${name} of ${line}`, Buffer.from(value)]);
      }
      return { ...answer, headers: response.headers };
    },
  };
}
