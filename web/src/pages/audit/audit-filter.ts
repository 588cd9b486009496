import {
  type AuditFilterSchema,
  type AuditRecord,
  Code,
  type MessageInitShape,
  timestampFromDate,
} from '../../../../src/client/contract.ts';
import { readIso } from '../../ui/times.ts';

export type AuditFilter = MessageInitShape<typeof AuditFilterSchema>;

/** What of a URL's query chooses records. `integration` is the id of one, `resource` anything that a record is about. */
export const FILTER_NAMES = ['who', 'method', 'integration', 'resource', 'from', 'to', 'result'] as const;

const PACKAGE = 'penstock.v1.';

/** The filter that a URL's query says. What makes no sense is a problem, never a filter that finds more. */
export function filterOf(query: URLSearchParams): { readonly filter: AuditFilter } | { problem: string } {
  const of = (name: (typeof FILTER_NAMES)[number]) => (query.get(name) ?? '').trim();
  const [from, to] = [readIso(of('from')), readIso(of('to'))];
  for (const [name, time] of [['from', from] as const, ['to', to] as const]) {
    if (of(name) !== '' && !time)
      return { problem: `“${of(name)}” is no time such as 2026-11-29T12:00:00Z.` };
  }
  if (!['', 'refused'].includes(of('result')))
    return { problem: `“${of('result')}” is no result: refused is one.` };
  const integration = of('integration');
  return {
    filter: {
      caller: of('who'),
      method: fullName(of('method')),
      resource: integration === '' ? of('resource') : `integrations/${integration}`,
      ...(from && { startTime: timestampFromDate(from) }),
      ...(to && { endTime: timestampFromDate(to) }),
      refused: of('result') === 'refused',
    },
  };
}

/** As the server has it: an RPC or a service is written without its package, a command or a path as it is. */
const fullName = (method: string): string => (/^[A-Z]\w*(\/\w+)?$/.test(method) ? PACKAGE + method : method);

export const shortName = (method: string): string =>
  method.startsWith(PACKAGE) ? method.slice(PACKAGE.length) : method;

/** What became of it, for people: `done`, or why not. */
export function resultText({ code, reason }: Pick<AuditRecord, 'code' | 'reason'>): string {
  if (code === Code.OK) return 'done';
  const [name = `code ${code}`] = Object.entries(Code).find(([, value]) => value === code) ?? [];
  const words = name.toLowerCase().replaceAll('_', ' ');
  return reason === '' ? words : `${words}: ${reason}`;
}

/** Where what a record is about is shown; undefined: there is no page of it. */
export function linkOf(resource: string): string | undefined {
  const [kind, id, ...more] = resource.split('/');
  if (id === undefined || id === '' || more.length > 0) return undefined;
  if (kind === 'integrations') return `/integrations/${encodeURIComponent(id)}`;
  if (kind === 'tokens' || kind === 'users') return '/access';
  return kind === 'replays' ? '/replays' : undefined;
}
