import { isMap, isScalar, isSeq, type Node, type Scalar } from 'yaml';

/** A step of a path: a field, or an item by its number or its name. */
const STEP = /\.?([^.[\]]+)|\["((?:\\.|[^"\\])*)"\]|\[(\d+)\]/g;

/** The steps of a path in the schema's names, such as `http.headers["a"]`. Those that name an item are quoted. */
export function stepsOf(path: string): readonly (string | number)[] {
  return [...path.matchAll(STEP)].map(([, name, quoted, index]) => {
    if (index !== undefined) return Number(index);
    return name ?? unquoted(quoted!);
  });
}

function unquoted(text: string): string {
  try {
    return JSON.parse(`"${text}"`);
  } catch {
    return text;
  }
}

/** From one place of the text to another, by the numbers of their characters. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Where a field stands: its name and its value, as far as they are there. */
interface FieldNodes {
  readonly key: Node | undefined;
  readonly value: Node | null;
}

/** Where a path leads to, or what is nearest around it. @param isName whether the name of the field is meant, not its value */
export function spanAt(root: Node | null, path: string, isName: boolean): Span {
  let at: FieldNodes = { key: undefined, value: root };
  for (const step of stepsOf(path)) {
    const next = below(at.value, step);
    if (!next) return isName || !isScalar(at.value) ? spanOf(at.key ?? firstOf(at.value)) : spanOf(at.value);
    at = next;
  }
  const isShort = isScalar(at.value) && at.value.value !== null && !isName;
  return spanOf(isShort ? at.value : (at.key ?? firstOf(at.value)));
}

function below(node: Node | null, step: string | number): FieldNodes | undefined {
  if (isSeq<Node | null>(node)) {
    const item = typeof step === 'number' ? node.items[step] : node.items.find((one) => isNamed(one, step));
    return item === undefined ? undefined : { key: firstOf(item) ?? undefined, value: item };
  }
  if (!isMap<Scalar, Node | null>(node)) return undefined;
  const pair = node.items.find(({ key }) => bare(String(key.source ?? key.value)) === bare(String(step)));
  return pair && { key: pair.key, value: pair.value };
}

/** Whether an item of a list has what names it. */
const isNamed = (item: Node | null, name: string): boolean =>
  isMap<Scalar, Node | null>(item) &&
  item.items.some(({ value }) => isScalar(value) && String(value.value) === name);

/** The first that a collection begins with: the whole of it is too much to be marked. */
function firstOf(node: Node | null): Node | null {
  if (isMap<Node>(node)) return node.items[0]?.key ?? node;
  if (isSeq<Node | null>(node)) return node.items[0] ? firstOf(node.items[0]) : node;
  return node;
}

/** Either spelling of a field. */
const bare = (name: string): string => name.replaceAll('_', '').toLowerCase();

function spanOf(node: Node | null | undefined): Span {
  const [from = 0, to = from] = node?.range ?? [];
  return { from, to };
}
