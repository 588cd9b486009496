import { isJson } from '../../../../src/contract/is-json.ts';

// A payload is bytes of somebody else's: what it is shown as, and never more of it than a page can take.

export type View = 'JSON' | 'text' | 'hex';

/** So much is shown at first, and at most, in characters or, in hex, bytes. */
export const SHOWN = { first: 4096, most: 262_144 };

/** As which it can be shown, the most telling first. */
export function viewsOf(payload: Uint8Array): readonly View[] {
  const text = textOf(payload);
  if (text === undefined) return ['hex'];
  return isJson(text) ? ['JSON', 'text', 'hex'] : ['text', 'hex'];
}

/** As UTF-8; undefined: it is not. */
export function textOf(payload: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload);
  } catch {
    return undefined;
  }
}

const JSON_PARTS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/**
 * JSON with a line for each part. Numbers and strings stay as they were written, digit for digit.
 * @param limit after so many characters it ends: what is nested deep would be far longer than it was
 */
export function prettyJson(text: string, limit = SHOWN.most): string {
  let depth = 0;
  let before = '';
  let written = '';
  const line = () => `\n${'  '.repeat(depth)}`;
  for (const [part] of text.matchAll(JSON_PARTS)) {
    const hasOpened = before === '{' || before === '[';
    const closes = part === '}' || part === ']';
    if (closes) depth--;
    // `{}` and `[]` stay together.
    if (before === ',' || hasOpened !== closes) written += line();
    if (part === '{' || part === '[') depth++;
    written += part === ':' ? ': ' : part;
    if (written.length > limit) break;
    before = part;
  }
  return written;
}

/** Sixteen bytes a line: where they are, what they are, and as ASCII. */
export function hexOf(payload: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < payload.length; at += 16) {
    const bytes = [...payload.subarray(at, at + 16)];
    const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const ascii = bytes.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(47)}  ${ascii}`);
  }
  return lines.join('\n');
}

/** A payload in a view, and whether something is cut off. @param limit how much of it */
export function shownAs(
  payload: Uint8Array,
  view: View,
  limit: number,
): { readonly text: string; readonly isCut: boolean } {
  if (view === 'hex') return { text: hexOf(payload.subarray(0, limit)), isCut: payload.length > limit };
  const plain = textOf(payload) ?? '';
  const text = view === 'JSON' ? prettyJson(plain, limit) : plain;
  if (text.length <= limit) return { text, isCut: false };
  const isInPair = /[\ud800-\udbff]/.test(text[limit - 1]!);
  return { text: text.slice(0, isInPair ? limit - 1 : limit), isCut: true };
}
