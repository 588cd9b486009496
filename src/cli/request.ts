import { type DescMessage, fromJsonString, type MessageShape } from '@bufbuild/protobuf';
import { jsonViolations } from '../contract/json-violations.ts';
import { boundedBytes } from '../runtime/bounded-bytes.ts';
import { UserError } from '../runtime/user-error.ts';
import { wrongFields } from './failure.ts';

/** Of what is on stdin, or in a file, in bytes. */
const MOST = 16 << 20;

/**
 * The request that a JSON says.
 * @throws UserError with everything that does not fit, and the nearest names
 */
export function requestOf<D extends DescMessage>(schema: D, json: string): MessageShape<D> {
  const violations = jsonViolations(schema, json);
  if (violations.length === 0) return fromJsonString(schema, json);
  const told = violations.map(({ field, description }) => ({ path: field, description }));
  throw new UserError(`the JSON is no ${schema.name}, nothing was sent:\n${wrongFields(told)}`);
}

/**
 * The text on stdin, or in a file, to its end.
 * @param place what it is read from, for people
 * @throws UserError when it is longer than 16 MiB, or not UTF-8
 */
export async function textOn(input: AsyncIterable<Uint8Array>, place = 'stdin'): Promise<string> {
  const tooLong = () =>
    new UserError(`there are more than 16 MiB on ${place}: nothing that is read is that long`);
  const bytes = await boundedBytes(input, MOST, tooLong);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new UserError(`what is on ${place} is not UTF-8`, { cause });
  }
}
