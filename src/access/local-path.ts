/** Longer ones do not fit into a cookie. In characters. */
const MAX_LENGTH = 1000;

/**
 * A path of this host, as a browser is sent to it; `/` for whatever leads elsewhere, however it is written.
 * @param text what somebody asks for: a path with its query and its fragment
 */
export function localPath(text: string | null): string {
  if (text === null || text.length > MAX_LENGTH || !text.startsWith('/')) return '/';
  // As browsers read it: some of what they skip, or take for a slash, changes where it leads.
  const url = URL.parse(text, 'http://this.invalid');
  if (url?.origin !== 'http://this.invalid') return '/';
  const path = url.pathname + url.search + url.hash;
  return path.startsWith('//') || path.startsWith('/login') ? '/' : path;
}
