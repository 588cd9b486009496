/** What is told in one message, about. Clients of gRPC take 4 MiB, unless they are told otherwise. */
const MAX_BYTES = 1 << 20;

/** The items in lists for a message each: of `most` items at most, and of so many bytes, or of one item that has more. */
export function* packed<T>(items: Iterable<T>, most: number, bytesOf: (item: T) => number): Generator<T[]> {
  let list: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const more = bytesOf(item);
    if (list.length === most || (list.length > 0 && bytes + more > MAX_BYTES)) {
      yield list;
      [list, bytes] = [[], 0];
    }
    list.push(item);
    bytes += more;
  }
  if (list.length > 0) yield list;
}
