import { connect } from 'node:net';

/** Sends these lines as one HTTP request, right or wrong, and answers all that comes back until the end. */
export async function rawRequest(address: string, lines: readonly string[], body = ''): Promise<string> {
  const { hostname, port } = new URL(`http://${address}`);
  const socket = connect(Number(port), hostname);
  socket.setEncoding('latin1').setTimeout(10_000, () => socket.destroy(new Error('no answer within 10 s')));
  socket.write(
    `${[...lines, 'connection: close', `content-length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`,
  );
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}

/** Each is a Host that no URL can have, as a line of a request; of HTTP/1.0 also none at all. */
export const BROKEN_HOSTS: readonly (readonly [version: string, ...lines: string[]])[] = [
  ['HTTP/1.0'],
  ['HTTP/1.1'],
  ...[
    '',
    'a b',
    'x:99999',
    'x:y',
    '[',
    '[::1',
    '%',
    'a%',
    'x/y',
    'x#',
    'x?',
    'u@x',
    'x\\y',
    'a\tb',
    '\x80<>',
  ].map((host) => ['HTTP/1.1', `host: ${host}`] as const),
  ['HTTP/1.1', 'host: a', 'host: b'],
];
