/** A way into a JSON value: the names of members and the indexes of items. */
export type JsonPath = readonly (string | number)[];

const BLANKS = /[ \t\n\r]*/y;
const SCALAR = /[^ \t\n\r,\]}]*/y;

/**
 * The JSON text of the value at `path`, as it was written: numbers keep their digits. Undefined: there is none. Of members
 * with one name the last counts, as for JSON.parse.
 * @param text valid JSON
 */
export function jsonAt(text: string, path: JsonPath): string | undefined {
  let at: number | undefined = skip(BLANKS, text, 0);
  for (const step of path) {
    at = typeof step === 'string' ? memberAt(text, at, step) : itemAt(text, at, step);
    if (at === undefined) return undefined;
  }
  return text.slice(at, endOf(text, at));
}

function memberAt(text: string, object: number, name: string): number | undefined {
  if (text[object] !== '{') return undefined;
  let found: number | undefined;
  let at = skip(BLANKS, text, object + 1);
  while (text[at] === '"') {
    const end = endOfString(text, at);
    const value = skip(BLANKS, text, skip(BLANKS, text, end) + 1);
    if (JSON.parse(text.slice(at, end)) === name) found = value;
    at = next(text, value);
  }
  return found;
}

function itemAt(text: string, array: number, index: number): number | undefined {
  if (text[array] !== '[') return undefined;
  let at = skip(BLANKS, text, array + 1);
  for (let i = 0; at < text.length && text[at] !== ']'; i++) {
    if (i === index) return at;
    at = next(text, at);
  }
  return undefined;
}

/** Where the value or name after the one at `at` begins, or the bracket that closes. */
function next(text: string, at: number): number {
  const end = skip(BLANKS, text, endOf(text, at));
  return text[end] === ',' ? skip(BLANKS, text, end + 1) : end;
}

function endOf(text: string, at: number): number {
  if (text[at] === '"') return endOfString(text, at);
  if (text[at] !== '{' && text[at] !== '[') return skip(SCALAR, text, at);
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    const char = text[i];
    if (char === '"') i = endOfString(text, i) - 1;
    else if (char === '{' || char === '[') depth++;
    else if ((char === '}' || char === ']') && --depth === 0) return i + 1;
  }
  return text.length;
}

function endOfString(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '"') return i + 1;
  }
  return text.length;
}

function skip(what: RegExp, text: string, at: number): number {
  what.lastIndex = at;
  what.test(text);
  return what.lastIndex;
}
