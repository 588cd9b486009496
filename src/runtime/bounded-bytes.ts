/** All that comes. @throws Error when that is more than `most` bytes, with what `tooLong` says */
export async function boundedBytes(
  chunks: AsyncIterable<Uint8Array>,
  most: number,
  tooLong = () => new Error(`the answer is longer than ${most} bytes`),
): Promise<Buffer> {
  const taken: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > most) throw tooLong();
    taken.push(chunk);
  }
  return Buffer.concat(taken);
}
