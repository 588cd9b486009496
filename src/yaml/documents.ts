import { Composer, type CST, type Document, Lexer, LineCounter, type ParsedNode, Parser } from 'yaml';

/**
 * What a text may have, its characters aside: parts and depth of a document, characters of a scalar. Any integration that the
 * rules allow is far below it.
 */
const MOST = { parts: 50_000, scalar: 256 << 10, documents: 20_000, depth: 100 };
/** More faults help nobody. */
export const MOST_FAULTS = 100;

/** Something that is wrong, from one place of the text to another, by the numbers of their characters from 0. */
export interface Fault {
  readonly from: number;
  readonly to: number;
  readonly description: string;
}

export interface YamlDocument {
  readonly node: ParsedNode | null;
  /** What YAML itself finds wrong. */
  readonly faults: readonly Fault[];
  /** The lines of comments before and behind it; those within are at its nodes. */
  readonly comments: readonly string[];
}

/** A line and a column, both from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface YamlText {
  /** One after the other, as they are asked for. One that is too large is the last. */
  readonly documents: Iterable<YamlDocument>;
  /** Of what was read already. */
  placeOf(offset: number): Place;
}

/** The documents of a text in YAML 1.2. */
export function yamlText(text: string): YamlText {
  const lines = new LineCounter();
  lines.addNewLine(0);
  return {
    documents: documentsIn(text, lines),
    placeOf: (offset) => {
      const { line, col } = lines.linePos(Math.min(offset, text.length));
      return { line: Math.max(line, 1), column: Math.max(col, 1) };
    },
  };
}

function* documentsIn(text: string, lines: LineCounter): Iterable<YamlDocument> {
  const parser = new Parser(lines.addNewLine);
  const composer = new BoundedComposer();
  let parts = 0;
  let documents = 0;
  for (const lexeme of new Lexer().lex(text)) {
    const excess = excessOf(lexeme, ++parts, documents);
    if (excess !== undefined)
      return yield unread({ from: parser.offset, to: parser.offset, description: excess });
    for (const token of parser.next(lexeme)) {
      if (token.type === 'document') {
        parts = 0;
        documents++;
      }
      yield* composer.documents(token);
      if (composer.isFull) return;
    }
  }
  for (const token of parser.end()) yield* composer.documents(token);
  if (!composer.isFull) yield* composer.last(text.length);
}

const unread = (...faults: readonly Fault[]): YamlDocument => ({ node: null, faults, comments: [] });

/** What `yaml` tells of an error, without the stack that makes each of its own slow. */
interface Told {
  readonly pos: readonly [number, number];
  readonly message: string;
}
type Where = number | readonly [number, number] | { readonly offset: number; readonly source?: string };

/** What a composer has for itself. A test shows that it is so. */
interface Inner {
  errors: Told[];
  onError: (where: Where, code: string, message: string) => void;
}

/** Makes documents of what was parsed, until too much is wrong. */
class BoundedComposer {
  readonly #composer = new Composer({ uniqueKeys: false, prettyErrors: false, merge: false });
  readonly #inner = this.#composer as unknown as Inner;
  #count = 0;

  constructor() {
    this.#inner.onError = (where, _code, message) => {
      if (++this.#count > MOST_FAULTS) throw TOO_MUCH;
      this.#inner.errors.push({ pos: rangeOf(where), message });
    };
  }

  /** Whether there was too much: then that was the last document. */
  get isFull(): boolean {
    return this.#count > MOST_FAULTS;
  }

  *documents(token: CST.Token): Iterable<YamlDocument> {
    const tooDeep = token.type === 'document' ? beyondDepth(token) : undefined;
    if (tooDeep === undefined) return yield* this.#read(() => [...this.#composer.next(token)]);
    const description = `this is nested too deeply: ${MOST.depth} levels at most`;
    yield unread({ from: tooDeep, to: tooDeep, description });
  }

  *last(end: number): Iterable<YamlDocument> {
    yield* this.#read(() => [...this.#composer.end(false, end)]);
  }

  *#read(compose: () => readonly Document.Parsed<ParsedNode>[]): Iterable<YamlDocument> {
    let composed: readonly Document.Parsed<ParsedNode>[];
    try {
      composed = compose();
    } catch (error) {
      if (error !== TOO_MUCH) throw error;
      return yield unread(...this.#inner.errors.map(faultOf));
    }
    for (const { errors, contents, commentBefore, comment, directives, range } of composed) {
      const comments = [commentBefore, comment].flatMap((one) => one?.split('\n') ?? []);
      const { explicit, version } = directives.yaml;
      const other = explicit && version !== '1.2' ? [{ ...OTHER_VERSION, from: range[0], to: range[0] }] : [];
      yield { node: contents, faults: [...other, ...errors.map(faultOf)], comments };
    }
  }
}

/** In YAML 1.1 `no` is false, `010` is 8, and a date is a time. */
const OTHER_VERSION = { description: 'this is read as YAML 1.2: leave out the directive, or say 1.2' };

const faultOf = ({ pos: [from, to], message }: Told): Fault => ({ from, to, description: message });

function rangeOf(where: Where): readonly [number, number] {
  if (typeof where === 'number') return [where, where + 1];
  if (!('offset' in where)) return where;
  return [where.offset, where.offset + (where.source?.length ?? 1)];
}

const TOO_MUCH = new Error('too much is wrong');

/** Where a document is too deep; undefined: nowhere. */
function beyondDepth(document: CST.Document): number | undefined {
  let level: CST.Token[] = document.value ? [document.value] : [];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MOST.depth) return level[0]!.offset;
    level = level.flatMap((token) => ('items' in token ? token.items.flatMap(tokensIn) : []));
  }
  return undefined;
}

const tokensIn = ({ key, value }: CST.CollectionItem): CST.Token[] =>
  [key, value].filter((one): one is CST.Token => one !== undefined && one !== null);

function excessOf(lexeme: string, parts: number, documents: number): string | undefined {
  if (parts > MOST.parts) return `this document has too many parts: ${MOST.parts} at most`;
  if (lexeme.length > MOST.scalar) return `this is too long: ${MOST.scalar} characters at most`;
  if (documents > MOST.documents) return `there are too many documents: ${MOST.documents} at most`;
  return undefined;
}
