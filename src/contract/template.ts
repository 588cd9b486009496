import { MissingValue, type TemplatePolicy } from '../../gen/penstock/v1/template_pb.ts';
import { topicNameProblem } from '../topic-filter/topic-filter.ts';
import { UnencodableError } from './body.ts';
import { isJson } from './is-json.ts';
import { getterOf, PLACEHOLDERS, type TemplateSource, type Value } from './placeholders.ts';

export type { TemplateSource } from './placeholders.ts';

/** What a template does for a placeholder without a value. */
export interface MissingRule {
  readonly rule: 'fail' | 'empty' | 'default';
  /** For `default`. */
  readonly value: string;
}

/** The integration's rule. Unset: fail. */
export function missingRule(policy: TemplatePolicy | undefined): MissingRule {
  if (policy?.missing === MissingValue.EMPTY) return { rule: 'empty', value: '' };
  if (policy?.missing === MissingValue.DEFAULT) return { rule: 'default', value: policy.defaultValue };
  return { rule: 'fail', value: '' };
}

/** Where a template's result goes, and so how its values are written. */
export type Escape = 'none' | 'url' | 'json' | 'header' | 'topic';

type Part = string | { readonly name: string };

/** What is wrong with a template, for people; undefined: nothing. */
export function templateProblem(text: string): string | undefined {
  for (const part of partsOf(text, '')) {
    if (typeof part !== 'string') {
      if (getterOf(part.name) === undefined) {
        return `there is no placeholder \${${part.name}}: use ${PLACEHOLDERS.join(', ')}; or $\${ for a literal \${`;
      }
    } else if (part.includes('${')) {
      return 'has ${ without a }: close it, or write $${ for a literal ${';
    }
  }
  return undefined;
}

/**
 * Each character is looked at a bounded number of times: a pattern would look to the end once more for each `${` without a `}`.
 * @param literal what `$${` stands for
 */
function partsOf(text: string, literal: string): readonly Part[] {
  const parts: Part[] = [];
  let last = 0;
  for (let at = text.indexOf('${'); at >= 0; at = text.indexOf('${', last)) {
    if (at > last && text[at - 1] === '$') {
      parts.push(text.slice(last, at - 1), literal);
      last = at + 2;
      continue;
    }
    const end = text.indexOf('}', at);
    if (end < 0) break;
    parts.push(text.slice(last, at), { name: text.slice(at + 2, end) });
    last = end + 1;
  }
  parts.push(text.slice(last));
  return parts;
}

/**
 * A function that writes what the template says of a message. It throws an `UnencodableError` when a value is missing and
 * the rule is fail, or when the result is not allowed where it goes.
 * @throws when something is wrong with the template
 */
export function compileTemplate(
  text: string,
  context: Escape,
  missing: MissingRule,
): (source: TemplateSource) => string {
  const problem = templateProblem(text);
  if (problem !== undefined) throw new Error(`template: ${problem}`);
  let isInString = false;
  const writers = partsOf(text, '${').map((part) => {
    if (typeof part !== 'string') return writerOf(part.name, writing(context, isInString), missing);
    isInString = endsInString(part, isInString);
    return part;
  });
  const check = CHECKS[context];
  return (source) => {
    let result = '';
    for (const writer of writers) result += typeof writer === 'string' ? writer : writer(source);
    const refusal = check(result);
    if (refusal !== undefined) throw new UnencodableError(refusal);
    return result;
  };
}

/** Whether a template without a problem writes a JSON object or array, with values in strings or in place of values. */
export function isJsonTemplate(text: string): boolean {
  let isInString = false;
  let sample = '';
  for (const part of partsOf(text, '${')) {
    if (typeof part === 'string') isInString = endsInString(part, isInString);
    sample += typeof part === 'string' ? part : isInString ? '' : 'null';
  }
  return /^\s*[[{]/.test(sample) && isJson(sample);
}

/** How a value is written. */
type Write = (value: Value) => string;

const asText: Write = (value) => (typeof value === 'object' ? value.json : String(value));
const asJson: Write = (value) => (typeof value === 'string' ? JSON.stringify(value) : asText(value));
const inString: Write = (value) => JSON.stringify(asText(value)).slice(1, -1);
const inUrl: Write = (value) => {
  const text = asText(value);
  if (!text.isWellFormed()) throw new UnencodableError(HALF);
  return encodeURIComponent(text);
};

function writing(context: Escape, isInString: boolean): Write {
  if (context === 'url') return inUrl;
  if (context === 'json') return isInString ? inString : asJson;
  return asText;
}

function writerOf(name: string, write: Write, missing: MissingRule): (source: TemplateSource) => string {
  const getter = getterOf(name, write === asJson)!;
  const substitute = substituteOf(write, missing);
  return (source) => {
    const value = getter(source);
    if (value !== undefined) return write(value);
    if (substitute === undefined) throw new UnencodableError(`\${${name}} has no value in this message`);
    return substitute;
  };
}

/** What stands for a missing value; undefined: nothing may. */
function substituteOf(write: Write, { rule, value }: MissingRule): string | undefined {
  if (rule === 'fail') return undefined;
  if (write !== asJson) return rule === 'empty' ? '' : write(value);
  if (rule === 'empty') return 'null';
  return isJson(value) ? value : asJson(value);
}

/** Whether a JSON text is within a string after this piece of it. */
function endsInString(piece: string, isInString: boolean): boolean {
  let inside = isInString;
  for (let i = 0; i < piece.length; i++) {
    if (piece[i] === '"') inside = !inside;
    else if (inside && piece[i] === '\\') i++;
  }
  return inside;
}

/** The header values of HTTP, as the schema's rule for fixed ones has them. */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** A server resolves these, so that a value would lead to another place. */
const DOT_SEGMENT = /^[^?#]*\/\.\.?(?:[/?#]|$)/;

const wellFormed = (text: string) => (text.isWellFormed() ? undefined : HALF);
const HALF = 'there is half of a character (a lone surrogate) in what a template gives';

/** What is wrong with a result where it goes; without the result, which may be secret. */
const CHECKS: Readonly<Record<Escape, (result: string) => string | undefined>> = {
  none: wellFormed,
  json: wellFormed,
  url: (result) =>
    DOT_SEGMENT.test(result) ? 'a template gives a URL path with . or .. in it' : wellFormed(result),
  header: (result) =>
    HEADER_VALUE.test(result) ? undefined : 'a template gives a header that is not printable ISO-8859-1 text',
  topic: (result) => {
    const problem = topicNameProblem(result);
    return problem === undefined ? wellFormed(result) : `a template gives an invalid topic name: ${problem}`;
  },
};
