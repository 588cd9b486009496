import type { JsonValue } from '@bufbuild/protobuf';
import { isAlias, isCollection, isMap, isScalar, isSeq, type Node, type Pair, type Scalar } from 'yaml';
import { type Fault, MOST_FAULTS } from './documents.ts';

const WHOLE_NUMBER = /^[-+]?[0-9]+$/;

export interface NodeJson {
  /** What stands there, without what is told as a fault. Whole numbers that a double does not hold are text with their digits. */
  readonly json: JsonValue;
  readonly faults: readonly Fault[];
  /** All lines of comments in it. */
  readonly comments: readonly string[];
}

/** YAML as JSON: what only YAML has, aliases and tags, is told and not followed. So a text is never larger than it looks. */
export function jsonOf(node: Node | null): NodeJson {
  const faults: Fault[] = [];
  const comments: string[] = [];
  const tell = (at: Node | null, description: string): null => {
    const [from = 0, to = from] = at?.range ?? [];
    if (faults.length < MOST_FAULTS) faults.push({ from, to, description });
    return null;
  };
  const note = (...texts: readonly (string | null | undefined)[]) => {
    for (const text of texts) if (text) comments.push(...text.split('\n'));
  };
  const value = (at: Node | null): JsonValue => {
    if (at === null) return null;
    note(at.commentBefore, at.comment);
    if (isAlias(at)) return tell(at, `*${at.source} is an alias, and aliases are not followed: write it out`);
    if ((isScalar(at) || isCollection(at)) && at.anchor !== undefined)
      tell(at, `&${at.anchor} is an anchor, and there are no aliases here: leave it out`);
    if (at.tag?.startsWith('tag:yaml.org,2002:') === false || (isScalar(at) && isTagged(at)))
      return tell(at, 'tags are not read here: leave it out');
    if (isScalar(at)) return scalarJson(at);
    if (isSeq<Node | null>(at)) return at.items.map((item) => value(item));
    if (!isMap<Node, Node | null>(at)) return tell(at, 'this cannot be read');
    return entriesOf(at.items);
  };
  const entriesOf = (items: readonly Pair<Node, Node | null>[]): JsonValue => {
    const entries = new Map<string, JsonValue>();
    for (const { key, value: inner } of items) {
      note(key?.commentBefore, key?.comment);
      const name = isScalar(key) ? nameOf(key) : undefined;
      if (name === undefined) tell(key, 'a name must be text');
      else if (entries.has(name)) tell(key, 'this name is there twice: leave out one of both');
      else entries.set(name, value(inner));
    }
    return Object.fromEntries(entries);
  };
  return { json: value(node), faults, comments };
}

/** `!!str` and the like: what is written says what it is. */
const isTagged = ({ tag, type, value }: Scalar): boolean =>
  tag !== undefined && !(tag === 'tag:yaml.org,2002:str' && typeof value === 'string' && type !== 'PLAIN');

/** A name is what is written: `1` and `true` are names of their own, too. */
function nameOf({ value, source }: Scalar): string | undefined {
  if (typeof value === 'string') return value;
  return value === null ? undefined : source;
}

function scalarJson({ value, source }: Scalar): JsonValue {
  if (typeof value === 'number') {
    const isExact = Number.isSafeInteger(value) || !WHOLE_NUMBER.test(source ?? '');
    if (!isExact) return source!.replace(/^\+/, '');
    return Number.isFinite(value) ? value : String(value);
  }
  return typeof value === 'string' || typeof value === 'boolean' ? value : null;
}
