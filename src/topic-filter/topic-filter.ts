/** The longest string MQTT can carry, in bytes of UTF-8. */
const MAX_BYTES = 65_535;

/** What is wrong with an MQTT topic filter (MQTT 5.0 §4.7), or undefined when it is valid. */
export function topicFilterProblem(filter: string): string | undefined {
  const problem = stringProblem(filter);
  if (problem !== undefined) return problem;
  const levels = filter.split('/');
  for (const [index, level] of levels.entries()) {
    if (level.includes('#') && (level !== '#' || index < levels.length - 1)) {
      return '# must be the last level, alone';
    }
    if (level.includes('+') && level !== '+') return '+ must be alone in its level';
  }
  return undefined;
}

/** What is wrong with an MQTT topic name (MQTT 5.0 §4.7), or undefined when it is valid. */
export function topicNameProblem(name: string): string | undefined {
  return stringProblem(name) ?? (/[+#]/.test(name) ? 'a topic name has no + and no #' : undefined);
}

function stringProblem(text: string): string | undefined {
  if (text === '') return 'must not be empty';
  if (text.includes('\0')) return 'must not contain NUL';
  // A UTF-16 unit takes three bytes of UTF-8 at most.
  if (text.length * 3 > MAX_BYTES && new TextEncoder().encode(text).length > MAX_BYTES) {
    return `must not be longer than ${MAX_BYTES} bytes`;
  }
  return undefined;
}

/** Whether a valid filter matches a valid topic name. A leading wildcard matches no name that begins with `$`. */
export function matches(filter: string, topicName: string): boolean {
  if (topicName.startsWith('$') && (filter.startsWith('+') || filter.startsWith('#'))) return false;
  const filterLevels = filter.split('/');
  const nameLevels = topicName.split('/');
  for (const [index, level] of filterLevels.entries()) {
    if (level === '#') return true; // its parent level too: `a/#` matches `a`
    if (index >= nameLevels.length || (level !== '+' && level !== nameLevels[index])) return false;
  }
  return filterLevels.length === nameLevels.length;
}
