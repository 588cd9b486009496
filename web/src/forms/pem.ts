// What stands in a field for a certificate or a key, for who puts it there.

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

/** `2 certificates`; what is wrong with it; empty: there is nothing to say. */
export interface PemText {
  readonly text: string;
  readonly isWrong: boolean;
}

/** @param wants what the field is for, by its name */
export function pemText(value: string, wants: 'certificate' | 'key'): PemText {
  if (value.trim() === '' || value.includes('${')) return { text: '', isWrong: false };
  const kinds = [...value.matchAll(BLOCK)].map(([, kind = '']) => kind);
  const keys = kinds.filter((kind) => kind.endsWith('PRIVATE KEY')).length;
  const certificates = kinds.filter((kind) => kind.endsWith('CERTIFICATE')).length;
  const others = kinds.length - keys - certificates;
  if (kinds.length === 0)
    return wrong('There is no PEM block in it: it begins with -----BEGIN, and ends with -----END.');
  if (wants === 'certificate' && keys > 0)
    return wrong('There is a private key in it, where a certificate belongs.');
  if (wants === 'key' && certificates > 0)
    return wrong('There is a certificate in it, where a private key belongs.');
  if (wants === 'key' && keys > 1) return wrong(`There are ${keys} private keys in it, where one belongs.`);
  const known = wants === 'key' ? count(keys, 'private key') : count(certificates, 'certificate');
  return { text: others > 0 ? `${known}, and ${count(others, 'other block')}` : known, isWrong: false };
}

const wrong = (text: string): PemText => ({ text, isWrong: true });
const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`;

/** What a field of this name is for; undefined: no PEM. */
export function pemWanted(name: string): 'certificate' | 'key' | undefined {
  if (/^(ca_cert|cert)$/.test(name)) return 'certificate';
  return name === 'private_key' ? 'key' : undefined;
}
