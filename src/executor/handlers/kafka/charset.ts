/** Encodes text as Java's character set of this name does: what the set does not have becomes `?`. */
export function encoderOf(charset: string): (text: string) => Buffer {
  switch (charset) {
    case 'ISO-8859-1':
      return (text) => Buffer.from(text.replaceAll(/[^\0-\xff]/gu, '?'), 'latin1');
    case 'US-ASCII':
      return (text) => Buffer.from(text.replaceAll(/[^\0-\x7f]/gu, '?'), 'latin1');
    case 'UTF-16':
      return (text) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16();
    case 'UTF-16BE':
      return (text) => Buffer.from(text, 'utf16le').swap16();
    case 'UTF-16LE':
      return (text) => Buffer.from(text, 'utf16le');
    default:
      return (text) => Buffer.from(text);
  }
}
