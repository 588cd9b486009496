/** The pages of the UI. What a page shows beside that is in the query of its URL. */
export type Route =
  | { readonly page: 'integrations' }
  | { readonly page: 'integration'; readonly id: string; readonly tab: IntegrationTab }
  | { readonly page: 'new' }
  | { readonly page: 'edit'; readonly id: string }
  | { readonly page: 'try' }
  | { readonly page: 'messages' }
  | { readonly page: 'replay'; readonly id: string }
  | { readonly page: 'dead-letters' }
  | { readonly page: 'replays' }
  | { readonly page: 'events' }
  | { readonly page: 'nodes' }
  | { readonly page: 'node'; readonly id: string }
  | { readonly page: 'access' }
  | { readonly page: 'audit' }
  | { readonly page: 'login' }
  | { readonly page: 'unknown'; readonly path: string };

export const INTEGRATION_TABS = [
  'overview',
  'charts',
  'messages',
  'dead-letters',
  'events',
  'revisions',
] as const;
export type IntegrationTab = (typeof INTEGRATION_TABS)[number];

const PLAIN: ReadonlySet<string> = new Set([
  'integrations',
  'dead-letters',
  'replays',
  'try',
  'messages',
  'events',
  'nodes',
  'access',
  'audit',
  'login',
]);

/** The page at a path, such as `/integrations/<id>/events`. */
export function routeOf(path: string): Route {
  const [first = '', second, third, ...more] = path.split('/').filter((part) => part !== '');
  if (first === '') return { page: 'integrations' };
  if (second === undefined && PLAIN.has(first)) return { page: first } as Route;
  if (first === 'nodes' && second !== undefined && third === undefined)
    return { page: 'node', id: decode(second) };
  if (first === 'integrations' && second !== undefined && more.length === 0) {
    if (second === 'new' && third === undefined) return { page: 'new' };
    if (third === 'edit') return { page: 'edit', id: decode(second) };
    if (third === 'replay') return { page: 'replay', id: decode(second) };
    const tab = INTEGRATION_TABS.find((one) => one === (third ?? 'overview'));
    if (tab) return { page: 'integration', id: decode(second), tab };
  }
  return { page: 'unknown', path };
}

/** Where a new integration is made. @param from the id of one to make another one like it; unset: none */
export const newPath = (from?: string): string =>
  from === undefined ? '/integrations/new' : `/integrations/new?from=${encodeURIComponent(from)}`;

export const nodePath = (id: string): string => `/nodes/${encodeURIComponent(id)}`;

export const editPath = (id: string): string => `/integrations/${encodeURIComponent(id)}/edit`;

/** Where what an integration took in is delivered again. */
export const replayPath = (id: string): string => `/integrations/${encodeURIComponent(id)}/replay`;

/** The replays from or to an integration. */
export const replaysPath = (id: string): string => `/replays?integration=${encodeURIComponent(id)}`;

/** The path of an integration's page. */
export function integrationPath(id: string, tab: IntegrationTab = 'overview'): string {
  const path = `/integrations/${encodeURIComponent(id)}`;
  return tab === 'overview' ? path : `${path}/${tab}`;
}

/** What is no valid percent-encoding stands for itself. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Where a login leads back to: a path of the UI itself, whatever the address bar was made to say. */
export function localTarget(next: string | null): string {
  // Browsers leave control characters out of an address, and take a backslash for a slash.
  const isOwn = next !== null && /^\/(?![/\\])[^\p{Cc}]*$/u.test(next);
  return isOwn && !next.startsWith('/login') ? next : '/';
}
