import { computed, signal } from '@preact/signals';
import { routeOf } from './routes.ts';

// The address bar is the state of every page: nothing that is shown is lost by a reload, a link or Back.

const here = signal(read());

function read(): { readonly path: string; readonly query: string } {
  return { path: location.pathname, query: location.search };
}

export const route = computed(() => routeOf(here.value.path));
/** What stands behind `?`. */
export const query = computed(() => new URLSearchParams(here.value.query));

/** Opens a page of the UI. */
export function open(url: string, { replace = false } = {}): void {
  if (replace) history.replaceState(null, '', url);
  else history.pushState(null, '', url);
  here.value = read();
  if (!replace) scrollTo(0, 0);
}

/** Sets parts of the query; an empty value takes its name away. Typing makes no steps for Back. */
export function setQuery(values: Readonly<Record<string, string>>): void {
  const next = new URLSearchParams(query.value);
  for (const [name, value] of Object.entries(values)) {
    if (value === '') next.delete(name);
    else next.set(name, value);
  }
  const text = next.toString();
  open(location.pathname + (text === '' ? '' : `?${text}`), { replace: true });
}

/** From now on, links to pages of the UI open without loading it anew. */
export function followLinks(): void {
  addEventListener('popstate', () => {
    here.value = read();
  });
  document.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target !== '') return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || link.hasAttribute('download') || link.dataset.reload !== undefined)
      return;
    event.preventDefault();
    open(url.pathname + url.search);
  });
}
