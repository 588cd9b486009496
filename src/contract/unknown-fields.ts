import type { ReflectMessage } from '@bufbuild/protobuf/reflect';

/**
 * Gives `next`, and the messages in it, the fields back that it has in `stored` and that only a newer version knows: who
 * does not know them cannot mean to clear them. A field that `next` brings itself stays as it is.
 */
export function keepUnknown(next: ReflectMessage, stored: ReflectMessage): void {
  const brought = next.getUnknown() ?? [];
  const numbers = new Set(brought.map(({ no }) => no));
  const kept = (stored.getUnknown() ?? []).filter(({ no }) => !numbers.has(no));
  if (kept.length > 0) next.setUnknown([...brought, ...kept]);
  for (const field of next.fields) {
    if (field.fieldKind !== 'message' || !next.isSet(field) || !stored.isSet(field)) continue;
    const nested = next.get(field);
    keepUnknown(nested, stored.get(field));
    next.set(field, nested);
  }
}
