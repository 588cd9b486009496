import { masked, maskedAnswer } from '../../contract/masked.ts';

/** Of what was sent, and of what came back, so much is told, in bytes. */
const MAX_BYTES = 16_384;
/** So much of an answer is kept, for a secret may be cut by the end of what is told. */
const MAX_KEPT = 2 * MAX_BYTES;

interface Answer {
  readonly head: string;
  readonly body: Uint8Array[];
  bytes: number;
}

/** What goes out and what comes back when a delivery is tried, for people, without secrets. */
export class TrialRecord {
  readonly #secrets: string[];
  readonly #sent: string[] = [];
  readonly #answers: Answer[] = [];
  #kept = 0;

  /** @param secrets none of which is told */
  constructor(secrets: readonly string[]) {
    this.#secrets = [...secrets];
  }

  /** Something was sent, or is once there is a connection. @param head a line each @param body undefined: there is none */
  sent(head: readonly string[], body?: string | Uint8Array | null): void {
    this.#sent.push([...head, ...(body == null ? [] : ['', bodyText(body)])].join('\n'));
  }

  /** An answer began. @param head a line each */
  answered(head: readonly string[]): void {
    this.#answers.push({ head: head.join('\n'), body: [], bytes: 0 });
  }

  /** A piece of the body of the answer that began last. */
  received(piece: Uint8Array): void {
    const answer = this.#answers.at(-1);
    if (!answer) return;
    answer.bytes += piece.length;
    if (this.#kept < MAX_KEPT) answer.body.push(piece.subarray(0, MAX_KEPT - this.#kept));
    this.#kept += piece.length;
  }

  /** A secret that came up on the way, such as an access token. */
  hide(secret: string): void {
    this.#secrets.push(secret);
  }

  get told(): { readonly sent: string; readonly answer: string } {
    const answers = this.#answers.map(({ head, body, bytes }) =>
      bytes === 0 ? head : `${head}\n\n${bodyText(Buffer.concat(body), bytes)}`,
    );
    const sent = masked(cutOff(this.#sent.join('\n\n'), MAX_KEPT), [...this.#secrets]);
    return { sent: cutOff(sent, MAX_BYTES), answer: this.withoutSecrets(answers.join('\n\n')) };
  }

  /** What came from the other side, as it is told. */
  withoutSecrets(text: string): string {
    return cutOff(maskedAnswer(cutOff(text, MAX_KEPT), [...this.#secrets]), MAX_BYTES);
  }
}

/** The text, or how many bytes they are and how they begin. @param bytes of all of it: the end may not be kept */
function bodyText(body: string | Uint8Array, bytes = body.length): string {
  if (typeof body === 'string') return body;
  const text = new TextDecoder().decode(body);
  if (!text.includes('\0') && !text.slice(0, -1).includes('\ufffd')) return text;
  return `${bytes} bytes: ${Buffer.from(body.subarray(0, MAX_BYTES / 4)).toString('hex')}`;
}

/** As much of a text as has so many bytes in UTF-8. */
function cutOff(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(bytes));
  return text.slice(0, read);
}
