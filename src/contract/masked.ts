/** A beginning of a secret that is shorter gives nothing away. */
const MIN_PART = 4;
const MASK = '***';

/** The text without the secrets in it, also where its end cuts one off. For what others answer and people read. */
export function masked(text: string, secrets: readonly string[]): string {
  let told = text;
  for (const secret of secrets) {
    if (secret.length < MIN_PART) continue;
    told = told.replaceAll(secret, MASK);
    for (let part = Math.min(secret.length - 1, told.length); part >= MIN_PART; part--) {
      if (!told.endsWith(secret.slice(0, part))) continue;
      told = told.slice(0, -part) + MASK;
      break;
    }
  }
  return told;
}
