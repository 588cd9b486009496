const [QUOTE, BACKSLASH] = [0x22, 0x5c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Whether objects and lists of a text of JSON lie more than `most` deep in each other. Its memory is the text alone. */
export function isDeeperThan(text: string, most: number): boolean {
  let depth = 0;
  let isInString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (isInString) {
      if (char === BACKSLASH) i++;
      else if (char === QUOTE) isInString = false;
    } else if (char === QUOTE) {
      isInString = true;
    } else if (char === OPEN_LIST || char === OPEN_OBJECT) {
      if (++depth > most) return true;
    } else if (char === CLOSE_LIST || char === CLOSE_OBJECT) {
      depth--;
    }
  }
  return false;
}
