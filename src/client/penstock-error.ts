import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { ConnectError } from '@connectrpc/connect';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { BadRequestSchema, ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';

/** What is wrong with one field of a request. */
export interface Violation {
  /** The field, from the request down, such as `integration.http.rest_endpoint_url`. Empty: the request as a whole. */
  readonly path: string;
  /** What is wrong, for people. */
  readonly description: string;
  /** The rule that it breaks, for programs. */
  readonly reason: string;
}

/** Why a call failed. Every call fails with this, or with what is wrong with its arguments. */
export class PenstockError extends Error {
  override readonly name = 'PenstockError';
  /** As in gRPC. UNAVAILABLE also says that no answer came, and whether the call was done is not known. */
  readonly code: Code;
  /** What programs can tell failures of one code apart by, such as `NO_EXECUTOR`. Empty: there is none. */
  readonly reason: string;
  /** The fields that are wrong, when the code is INVALID_ARGUMENT. At most 10. */
  readonly violations: readonly Violation[];
  readonly #failure: ConnectError;

  constructor(code: Code, message: string, failure: ConnectError) {
    super(message, { cause: failure });
    this.code = code;
    this.reason = failure.findDetails(ErrorInfoSchema)[0]?.reason ?? '';
    this.violations = failure
      .findDetails(BadRequestSchema)
      .flatMap(({ fieldViolations }) => fieldViolations)
      .map(({ field, description, reason }) => ({ path: field, description, reason }));
    this.#failure = failure;
  }

  /** The first detail of a kind that the failure carries. */
  detail<D extends DescMessage>(schema: D): MessageShape<D> | undefined {
    return this.#failure.findDetails(schema)[0];
  }
}

/**
 * What a call failed with. What is wrong with its arguments stays as it is.
 * @param isEnded whether the caller has ended the call
 */
export function toPenstockError(error: unknown, isEnded: boolean): unknown {
  if (!(error instanceof ConnectError)) return error;
  // The codes are the same numbers in both.
  const code = error.code as number as Code;
  if (error.isWireError || isEnded || !UNANSWERED.has(code)) {
    return new PenstockError(code, error.rawMessage, error);
  }
  return new PenstockError(Code.UNAVAILABLE, `no answer from the server: ${textOf(error)}`, error);
}

/** What Connect takes for the code when a connection is refused, lost or cut, and the server has said nothing. */
const UNANSWERED: ReadonlySet<Code> = new Set([
  Code.CANCELLED,
  Code.UNKNOWN,
  Code.INVALID_ARGUMENT,
  Code.ABORTED,
  Code.INTERNAL,
  Code.UNAVAILABLE,
  Code.DATA_LOSS,
]);

/** With what lies beneath: of a connection that failed, `fetch` says no more than that it failed. */
function textOf({ rawMessage, cause }: ConnectError): string {
  const below = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : '';
  return below === '' || rawMessage.includes(below) ? rawMessage : `${rawMessage}: ${below}`;
}
