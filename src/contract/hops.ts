/**
 * The header or user property that counts the integrations which a message has passed through. What leaves carries
 * `hopCount + 1` of its envelope; ingress reads it back, so that a message which goes in a circle is noticed.
 */
export const HOPS = 'penstock-hops';

const DIGITS = /^\d+$/;
/** What the envelope's field can hold. */
const MAX_HOPS = 0xffff_ffff;

interface UserProperty {
  readonly key: string;
  readonly value: string;
}

/** The count in a message's user properties: the last one, 0 when it is no number; and the properties without it. */
export function takeHops(properties: readonly UserProperty[]): {
  readonly hopCount: number;
  readonly userProperties: readonly UserProperty[];
} {
  const hops = properties.findLast(({ key }) => key === HOPS);
  if (hops === undefined) return { hopCount: 0, userProperties: properties };
  return {
    hopCount: DIGITS.test(hops.value) ? Math.min(Number(hops.value), MAX_HOPS) : 0,
    userProperties: properties.filter(({ key }) => key !== HOPS),
  };
}
