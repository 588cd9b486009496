import {
  create,
  type DescMessage,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';

/** Of answers that many callers get, the bytes once one of them got it. */
const BYTES = new WeakMap<object, { readonly schema: DescMessage; bytes?: Buffer }>();

/** An answer that many callers get, and that is made into bytes once. Nobody may change it. */
export function sharedAnswer<S extends DescMessage>(schema: S, init: MessageInitShape<S>): MessageShape<S> {
  const answer = create(schema, init);
  BYTES.set(answer, { schema });
  return answer;
}

/** The bytes of a shared answer; undefined: it is none. */
export function sharedBytes(answer: object): Buffer | undefined {
  const shared = BYTES.get(answer);
  if (shared === undefined) return undefined;
  if (shared.bytes === undefined) {
    const bytes = toBinary(shared.schema, answer as MessageShape<DescMessage>);
    shared.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  return shared.bytes;
}
