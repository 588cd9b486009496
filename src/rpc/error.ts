import { create, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import { type Any, anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { BadRequestSchema, ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { type Status, StatusSchema } from '../../gen/google/rpc/status_pb.ts';
import type { FieldViolation } from '../contract/validate.ts';
import type { CodeOf, Reason } from './reasons.ts';

// Errors travel in HTTP headers, which peers limit to as little as 8 KiB.
const MAX_VIOLATIONS = 10;
const MAX_TEXT = 200;
const MAX_MESSAGE = 1000;

/** The error a handler throws on purpose. Message and details go to the caller as they are; the cause does not. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: Code;
  readonly details: readonly Any[];
  constructor(code: Code, message: string, details: readonly Any[] = [], options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** A `google.rpc` detail of an error. */
export function detail<D extends DescMessage>(schema: D, value: MessageInitShape<D>): Any {
  return anyPack(schema, create(schema, value));
}

/** The first detail of this kind that an error carries. */
export function detailOf<D extends DescMessage>(error: RpcError, schema: D): MessageShape<D> | undefined {
  return error.details.map((packed) => anyUnpack(packed, schema)).find((unpacked) => unpacked !== undefined);
}

/** INVALID_ARGUMENT with the path of each wrong field, as far as an error has room for them. */
export function invalidArgument(violations: readonly FieldViolation[]): RpcError {
  const shown = violations.slice(0, MAX_VIOLATIONS).map(({ field, description, reason }) => ({
    field: cut(field, MAX_TEXT),
    description: cut(description, MAX_TEXT),
    reason,
  }));
  const texts = shown.map(({ field, description }) =>
    field === '' ? description : `${field}: ${description}`,
  );
  const left = violations.length - shown.length;
  if (left > 0) texts.push(`and ${left} more`);
  return new RpcError(Code.INVALID_ARGUMENT, cut(texts.join('; '), MAX_MESSAGE), [
    detail(BadRequestSchema, { fieldViolations: shown }),
  ]);
}

/** NOT_FOUND; `what` names it, e.g. `integration 5f…`. */
export function notFound(what: string): RpcError {
  return failed(Code.NOT_FOUND, 'NOT_FOUND', `${what} is not known`);
}

/** An error that programs can tell apart by `reason`: one of the file of them, with a code that it comes with. */
export function failed<R extends Reason>(
  code: CodeOf<R>,
  reason: R,
  message: string,
  options: ErrorOptions & { readonly details?: readonly Any[] } = {},
): RpcError {
  const info = detail(ErrorInfoSchema, { reason, domain: 'penstock.v1' });
  return new RpcError(code, cut(message, MAX_MESSAGE), [info, ...(options.details ?? [])], options);
}

/** What the caller is told; of an error that nobody meant for it no more than that there was one. */
export function toStatus(error: unknown): Status {
  if (!(error instanceof RpcError)) {
    return create(StatusSchema, { code: Code.INTERNAL, message: 'internal error' });
  }
  const { code, message, details } = error;
  return create(StatusSchema, { code, message, details: [...details] });
}

// A half of a surrogate pair cannot be written into a header.
const cut = (text: string, length: number) =>
  (text.length <= length ? text : `${text.slice(0, length - 1)}…`).toWellFormed();
