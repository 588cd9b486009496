/** The head of a message in a stream of the Connect protocol: flags, and its length in 4 bytes. */
const HEAD = 5;
const IS_END = 2;

/** One message, as a stream of the Connect protocol takes it. */
export function framed(json: string): Uint8Array {
  const text = Buffer.from(json);
  const head = Buffer.alloc(HEAD);
  head.writeUInt32BE(text.length, 1);
  return Buffer.concat([head, text]);
}

/** What a stream of the Connect protocol has: the JSON of each message, and of its end. */
export async function* framesIn(
  chunks: AsyncIterable<Uint8Array>,
): AsyncIterable<{ readonly json: string; readonly isEnd: boolean }> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    while (rest.length >= HEAD) {
      const end = HEAD + rest.readUInt32BE(1);
      if (rest.length < end) break;
      yield { json: rest.toString('utf8', HEAD, end), isEnd: (rest[0]! & IS_END) !== 0 };
      rest = rest.subarray(end);
    }
  }
}
