const TIME = /(?<hour>[01]\d|2[0-3]):(?<minute>[0-5]\d):(?<second>[0-5]\d|60)/.source;
/** As in `Sun, 06 Nov 1994 08:49:37 GMT`, and the two that are older. */
const FORMS = [
  new RegExp(`^[A-Z][a-z]{2}, (?<day>\\d{1,2}) (?<month>[A-Z][a-z]{2}) (?<year>\\d{4}) ${TIME} GMT$`),
  new RegExp(`^[A-Z][a-z]{5,8}, (?<day>\\d{1,2})-(?<month>[A-Z][a-z]{2})-(?<year>\\d{2}) ${TIME} GMT$`),
  new RegExp(`^[A-Z][a-z]{2} (?<month>[A-Z][a-z]{2}) +(?<day>\\d{1,2}) ${TIME} (?<year>\\d{4})$`),
];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A date of HTTP in any of its forms (RFC 9110 section 5.6.7), in milliseconds since 1970; undefined: it is none. */
export function httpDate(text: string, now: number): number | undefined {
  for (const form of FORMS) {
    const parts = form.exec(text)?.groups;
    if (!parts) continue;
    const month = MONTHS.indexOf(parts.month ?? '');
    if (month === -1) return undefined;
    const numbers = [parts.day, parts.hour, parts.minute, parts.second].map(Number);
    const [day = 0, hour, minute, second] = numbers;
    return Date.UTC(fullYear(parts.year ?? '', now), month, day, hour, minute, second);
  }
  return undefined;
}

/** Of two digits: that of a year at most 50 years ahead. */
function fullYear(digits: string, now: number): number {
  if (digits.length > 2) return Number(digits);
  const latest = new Date(now).getUTCFullYear() + 50;
  return latest - ((((latest - Number(digits)) % 100) + 100) % 100);
}
