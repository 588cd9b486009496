const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** What a JSON may have. */
interface Most {
  /** Objects and lists in each other. */
  readonly depth: number;
  /** Commas and colons, outside of strings. */
  readonly parts: number;
}

/** What of it a text of JSON has more of, the first that is met; undefined: nothing. Its memory is the text alone. */
export function excessOf(text: string, most: Most): keyof Most | undefined {
  let depth = 0;
  let parts = 0;
  let isInString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (isInString) {
      if (char === BACKSLASH) i++;
      else if (char === QUOTE) isInString = false;
    } else if (char === QUOTE) {
      isInString = true;
    } else if (char === OPEN_LIST || char === OPEN_OBJECT) {
      if (++depth > most.depth) return 'depth';
    } else if (char === CLOSE_LIST || char === CLOSE_OBJECT) {
      depth--;
    } else if (char === COMMA || char === COLON) {
      if (++parts > most.parts) return 'parts';
    }
  }
  return undefined;
}
