/** All that comes. @throws Error when that is more than `most` bytes */
export async function boundedBytes(chunks: AsyncIterable<Uint8Array>, most: number): Promise<Buffer> {
  const taken: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > most) throw new Error(`the answer is longer than ${most} bytes`);
    taken.push(chunk);
  }
  return Buffer.concat(taken);
}
