import { masked } from '../../contract/masked.ts';

/** Of what was sent, and of what came back, so much is told, in bytes. */
const MAX_BYTES = 16_384;
/** So much of an answer is kept, for a secret may be cut by the end of what is told. */
const MAX_KEPT = 2 * MAX_BYTES;
/** How an endpoint that tells what it was sent tells of headers. */
const AUTHORIZATION = /\b(Basic|Bearer)\s+[\w.~+/=-]+/gi;

/** What goes out and what comes back when a delivery is tried, for people, without secrets. */
export class TrialRecord {
  readonly #secrets: string[];
  readonly #sent: string[] = [];
  readonly #answer: Uint8Array[] = [];
  #kept = 0;

  /** @param secrets none of which is told */
  constructor(secrets: readonly string[]) {
    this.#secrets = [...secrets];
  }

  /** Something was sent. @param head a line each @param body undefined: there is none */
  sent(head: readonly string[], body?: string | Uint8Array | null): void {
    this.#sent.push([...head, ...(body == null ? [] : ['', bodyText(body)])].join('\n'));
  }

  /** Something came back, a piece of it. */
  answered(piece: string | Uint8Array): void {
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
    if (this.#kept < MAX_KEPT) this.#answer.push(bytes.subarray(0, MAX_KEPT - this.#kept));
    this.#kept += bytes.length;
  }

  /** A secret that came up on the way, such as an access token. */
  hide(secret: string): void {
    this.#secrets.push(secret);
  }

  get told(): { readonly sent: string; readonly answer: string } {
    return {
      sent: this.#withoutSecrets(this.#sent.join('\n\n')),
      answer: this.#withoutSecrets(bodyText(Buffer.concat(this.#answer))),
    };
  }

  #withoutSecrets(text: string): string {
    const told = cutOff(text, MAX_KEPT);
    return cutOff(masked(told.replaceAll(AUTHORIZATION, '$1 ***'), [...this.#secrets]), MAX_BYTES);
  }
}

/** The text, or how many bytes they are and how they begin. */
function bodyText(body: string | Uint8Array): string {
  if (typeof body === 'string') return body;
  const text = new TextDecoder().decode(body);
  if (!text.includes('\0') && !text.slice(0, -1).includes('\ufffd')) return text;
  return `${body.length} bytes: ${Buffer.from(body.subarray(0, MAX_BYTES / 4)).toString('hex')}`;
}

/** As much of a text as has so many bytes in UTF-8. */
function cutOff(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(bytes));
  return text.slice(0, read);
}
