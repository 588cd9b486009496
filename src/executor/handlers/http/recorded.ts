import type { HttpConfiguration } from '../../../../gen/penstock/v1/http_pb.ts';
import type { TrialRecord } from '../trial-record.ts';

/** A request as it leaves. */
export interface Leaving {
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | null;
}

/** Keeps a request, without the headers that say who sends it. */
export function recordRequest(
  record: TrialRecord,
  { secretHeaders, restEndpointUrl }: HttpConfiguration,
  { path, method, headers, body }: Leaving,
): void {
  const secret = new Set(['authorization', 'proxy-authorization']);
  for (const { name } of secretHeaders) secret.add(name.toLowerCase());
  const lines = Object.entries(headers).map(([name, value]) => {
    if (!secret.has(name)) return `${name}: ${value}`;
    record.hide(value.split(' ').at(-1) ?? '');
    return `${name}: ***`;
  });
  const origin = path.startsWith('/') ? (/^[^/]*\/\/[^/?#]*/.exec(restEndpointUrl)?.[0] ?? '') : '';
  record.sent([`${method} ${origin}${path}`, ...lines], body);
}

/** Keeps the head of an answer. */
export function recordHead(
  record: TrialRecord,
  status: number,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): void {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${[value].flat().join(', ')}`);
  record.answered([`status ${status}`, ...lines]);
}
