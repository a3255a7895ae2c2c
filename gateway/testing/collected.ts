// Reads a stream to its end.

/** Everything that a stream yields, in order. */
export async function collected<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of stream) list.push(item);
  return list;
}
