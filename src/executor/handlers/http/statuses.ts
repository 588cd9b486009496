import { FailureClass } from '../../../../gen/penstock/v1/envelope_pb.ts';
import type { HttpConfiguration } from '../../../../gen/penstock/v1/http_pb.ts';
import type { FieldViolation } from '../../../contract/validate.ts';

const SUCCESS = 1;
const RETRY = 2;
const DEFAULT_SUCCESS = ['2xx'];

/** What speaks of the message itself: it will be no better another time. */
const OF_THE_MESSAGE: ReadonlyMap<number, FailureClass> = new Map([
  [400, FailureClass.REJECTED],
  [413, FailureClass.TOO_LARGE],
  [414, FailureClass.TOO_LARGE],
  [415, FailureClass.REJECTED],
  [422, FailureClass.REJECTED],
  [431, FailureClass.TOO_LARGE],
]);

type Codes = Pick<HttpConfiguration, 'successCodes' | 'retryCodes'>;

/** What a status means to an integration. */
export class Statuses {
  /** By status: 0 = as usual. */
  readonly #meanings = new Uint8Array(600);

  constructor({ successCodes, retryCodes }: Codes) {
    for (const status of statusesIn(retryCodes)) this.#meanings[status] = RETRY;
    const success = successCodes.length > 0 ? successCodes : DEFAULT_SUCCESS;
    for (const status of statusesIn(success)) this.#meanings[status] = SUCCESS;
  }

  isSuccess(status: number): boolean {
    return this.#meanings[status] === SUCCESS;
  }

  /**
   * The class of a status that is no success. Those that speak of the message itself are final; all others may pass,
   * also 401 and 403, since credentials get mended.
   */
  classOf(status: number): FailureClass {
    if (status === 429) return FailureClass.THROTTLED;
    if (status === 408) return FailureClass.TIMEOUT;
    if (this.#meanings[status] === RETRY) return FailureClass.UNAVAILABLE;
    if (status >= 300 && status < 400) return FailureClass.REJECTED;
    return OF_THE_MESSAGE.get(status) ?? FailureClass.UNAVAILABLE;
  }
}

/** Whether a status may speak of any message of a batch. */
export const isOfBatch = (status: number) => OF_THE_MESSAGE.has(status);

/** What the schema's rules cannot say of the lists. */
export function codeViolations({ successCodes, retryCodes }: Codes): readonly FieldViolation[] {
  const violations: FieldViolation[] = [];
  const lists = { success_codes: successCodes, retry_codes: retryCodes };
  for (const [field, codes] of Object.entries(lists)) {
    for (const [i, code] of codes.entries()) {
      const { first, last } = rangeOf(code);
      if (first <= last) continue;
      const description = `ends before it begins: write ${last}-${first}`;
      violations.push({ field: `${field}[${i}]`, description, reason: 'HTTP_CODES_RANGE' });
    }
  }
  const success = statusesIn(successCodes);
  const both = [...statusesIn(retryCodes)].find((status) => success.has(status));
  if (both !== undefined) {
    const description = `${both} is among success_codes, too: a delivery is not tried again, take it out of one of them`;
    violations.push({ field: 'retry_codes', description, reason: 'HTTP_CODES_BOTH' });
  }
  return violations;
}

function statusesIn(codes: readonly string[]): ReadonlySet<number> {
  const statuses = new Set<number>();
  for (const { first, last } of codes.map(rangeOf)) {
    for (let status = first; status <= last; status++) statuses.add(status);
  }
  return statuses;
}

/** `204`, `200-204` or `2xx`; the schema lets nothing else pass. */
function rangeOf(code: string): { readonly first: number; readonly last: number } {
  if (code.endsWith('xx')) return { first: Number(code[0]) * 100, last: Number(code[0]) * 100 + 99 };
  const [first, last = first] = code.split('-').map(Number);
  return { first: first ?? 0, last: last ?? 0 };
}
