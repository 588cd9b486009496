/** What of resolv.conf says how names are completed. */
export interface Completion {
  /** Domains that names may be short for. */
  readonly search: readonly string[];
  /** A name with fewer dots is completed first, and asked for as it is last. */
  readonly ndots: number;
}

const MAX_NDOTS = 15;

/** Of several lines the last one counts, as for the C library. */
export function parseResolvConf(text: string): Completion {
  let search: readonly string[] = [];
  let ndots = 1;
  for (const line of text.split('\n')) {
    const [word = '', ...rest] = line
      .replace(/^\s*[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (word === 'search') search = rest;
    if (word === 'domain') search = rest.slice(0, 1);
    if (word !== 'options') continue;
    for (const option of rest) {
      const [, dots] = /^ndots:(\d+)$/.exec(option) ?? [];
      if (dots !== undefined) ndots = Math.min(Number(dots), MAX_NDOTS);
    }
  }
  return { search: search.map((domain) => domain.replace(/^\.+|\.+$/g, '')).filter(Boolean), ndots };
}

/** The full names to ask for, in their order, as the C library asks for them. One that ends with a dot is full already. */
export function fullNames(name: string, { search, ndots }: Completion): readonly string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const completed = search.map((domain) => `${name}.${domain}`);
  const dots = name.split('.').length - 1;
  return dots >= ndots ? [name, ...completed] : [...completed, name];
}
