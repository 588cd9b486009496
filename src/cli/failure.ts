import { Code, type PenstockError, type Violation } from '../client/node.ts';
import { REASONS } from '../rpc/reasons.ts';

/** How a call was made. */
export interface Called {
  readonly address: string;
  readonly isTls: boolean;
  /** The type of the request. */
  readonly request: string;
}

/** Why a call failed and what to do, for people: a line with the code, and lines that are indented. */
export function failureText(error: PenstockError, called: Called): string {
  const { code, violations } = error;
  // With violations the message is these once more, and how many the server left out.
  const left = /; (and \d+ more)$/.exec(error.message)?.[1];
  const message = violations.length === 0 ? error.message : `the ${called.request} is not right:`;
  const more = violations.length > 0 && left !== undefined ? [`  ${left}`] : [];
  const todo = whatToDo(error, called);
  const lines = [
    `${nameOf(code)}: ${plain(message)}`,
    ...(violations.length === 0 ? [] : [wrongFields(violations)]),
    ...more,
    ...(todo === undefined ? [] : [`  ${todo}`]),
  ];
  return lines.join('\n');
}

const nameOf = (code: Code) =>
  Object.entries(Code).find(([, number]) => number === code)?.[0] ?? String(code);

/** A line for each field that is wrong. */
export function wrongFields(violations: readonly Pick<Violation, 'path' | 'description'>[]): string {
  return violations
    .map(({ path, description }) => `  ${plain(path === '' ? description : `${path}: ${description}`)}`)
    .join('\n');
}

function whatToDo({ code, reason }: PenstockError, { address, isTls }: Called): string | undefined {
  if (code === Code.UNAUTHENTICATED) {
    return 'Give a token that has not ended, in PENSTOCK_TOKEN or with --token-file FILE.';
  }
  if (Object.hasOwn(REASONS, reason)) return `${reason}: ${REASONS[reason as keyof typeof REASONS].todo}`;
  if (code === Code.DEADLINE_EXCEEDED) {
    return 'Whether it was done is not known. --timeout SECONDS gives it more time.';
  }
  if (code !== Code.UNAVAILABLE) return undefined;
  const tls = isTls ? 'If it speaks no TLS: without --tls, --ca and --cert.' : 'If it speaks TLS: --tls.';
  return `Nobody answers at ${address}: start Penstock there, or say where it is with --address HOST:PORT. ${tls}`;
}

/** What controls terminals has no business in a message. */
export const plain = (text: string): string => text.replaceAll(/\p{Cc}/gu, '\u{fffd}');
