/** A beginning of a secret that is shorter gives nothing away. */
const MIN_PART = 4;
const MASK = '***';
/** How an endpoint that tells what it was sent tells of headers. */
const AUTHORIZATION = /\b(Basic|Bearer)\s+[\w.~+/=-]+/gi;

/** Of lists of secrets that were masked before: the same one is for every answer of a target. */
const FORMS = new WeakMap<readonly string[], readonly string[]>();

/**
 * The text without the secrets in it, however they are written there, also where its end cuts one off. For what others
 * answer and people read.
 */
export function masked(text: string, secrets: readonly string[]): string {
  let forms = FORMS.get(secrets);
  if (forms === undefined) {
    // The longest first: one may be within another, as a password is in the credentials of a header.
    const all = secrets.filter((secret) => secret.length >= MIN_PART).flatMap(formsOf);
    forms = all.toSorted((a, b) => b.length - a.length);
    FORMS.set(secrets, forms);
  }
  return forms.reduce((told, form) => withoutEnd(told.replaceAll(form, MASK), form), text);
}

/** The same of what an endpoint answered, which may tell the headers that it was sent. */
export const maskedAnswer = (text: string, secrets: readonly string[]): string =>
  masked(text.replaceAll(AUTHORIZATION, `$1 ${MASK}`), secrets);

/** The text without the beginning of a secret that it ends with. */
function withoutEnd(text: string, form: string): string {
  const beginning = form.slice(0, MIN_PART);
  for (let at = text.indexOf(beginning); at >= 0; at = text.indexOf(beginning, at + 1)) {
    if (form.startsWith(text.slice(at))) return text.slice(0, at) + MASK;
  }
  return text;
}

/** The ways in which targets tell what they were sent: as it is, with percents, as JSON, in hex, in base64. */
function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString('hex');
  const base64 = [0, 1, 2].map((shift) => base64Within(bytes, shift));
  const url = base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'));
  const percents = [
    encodeURIComponent(secret.toWellFormed()),
    new URLSearchParams({ '': secret }).toString().slice(1),
  ];
  const forms = [
    secret,
    ...percents.flatMap((text) => [text, text.replace(/%../g, (one) => one.toLowerCase())]),
    ...jsonForms(secret),
    ...[hex, hex.toUpperCase(), ...base64, ...url],
  ];
  return [...new Set(forms)].filter((form) => form.length >= MIN_PART);
}

/** As JSON.stringify, Python, PHP, and Go or Java's Gson write it, which escape more or less. */
function jsonForms(secret: string): readonly string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  const ascii = json.replace(/[^ -~]/g, escaped);
  const html = [/[<>&\u2028\u2029]/g, /[<>&='\u2028\u2029]/g].map((characters) =>
    json.replace(characters, escaped),
  );
  return [json, ascii, ...[json, ascii].map((text) => text.replaceAll('/', '\\/')), ...html];
}

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** The characters of base64 that the bytes alone decide, when `shift` bytes stand before them, such as a name and a colon. */
function base64Within(bytes: Buffer, shift: number): string {
  const encoded = Buffer.concat([Buffer.alloc(shift), bytes])
    .toString('base64')
    .replace(/=+$/, '');
  const isWhole = (shift + bytes.length) % 3 === 0;
  return encoded.slice(shift === 0 ? 0 : shift + 1, isWhole ? undefined : -1);
}
