import type { DescMessage } from '@bufbuild/protobuf';
import { jsonViolations } from '../contract/json-violations.ts';
import { toConnectError } from './connect.ts';
import { invalidArgument } from './error.ts';

/**
 * How Connect reads the JSON of a request of this schema: what is wrong with it is told like any other wrong argument, instead
 * of the first of it in the words of protobuf, which have values in them. Connect takes what turns bytes into text from its
 * options, though their type has it not: it is called for unary calls and streams, with what is within the limits, decompressed.
 */
export function jsonOptionsFor(schema: DescMessage) {
  const utf8 = new TextDecoder();
  return {
    // A misspelt field is an error, not a field left out.
    ignoreUnknownFields: false,
    textDecoder: {
      decode(bytes: Uint8Array): string {
        const text = utf8.decode(bytes);
        const violations = jsonViolations(schema, text);
        if (violations.length > 0) throw toConnectError(invalidArgument(violations));
        return text;
      },
    },
  };
}
