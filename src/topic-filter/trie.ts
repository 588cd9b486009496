/**
 * Topic filters with their values, a level a node. Matching takes time by the levels of the topic name and the wildcards
 * met on the way, not by the number of filters.
 */
export class TopicFilterTrie<V> {
  readonly #root = new Node<V>();

  /** Adds a value to a valid filter; a second time changes nothing. */
  add(filter: string, value: V): void {
    let node = this.#root;
    for (const level of filter.split('/')) node = node.childFor(level);
    node.values.add(value);
  }

  /** Removes a value from a filter; one that is not there is no error. */
  remove(filter: string, value: V): void {
    const path: { readonly parent: Node<V>; readonly level: string }[] = [];
    let node = this.#root;
    for (const level of filter.split('/')) {
      const child = node.children.get(level);
      if (child === undefined) return;
      path.push({ parent: node, level });
      node = child;
    }
    node.values.delete(value);
    for (const { parent, level } of path.reverse()) {
      if (parent.children.get(level)?.isEmpty !== true) return;
      parent.children.delete(level);
    }
  }

  /** The values of every filter that matches the topic name, each once. */
  match(topicName: string): Set<V> {
    const found = new Set<V>();
    const levels = topicName.split('/');
    if (topicName.startsWith('$')) {
      const first = this.#root.children.get(levels[0]!);
      if (first !== undefined) collect(first, levels, 1, found);
    } else {
      collect(this.#root, levels, 0, found);
    }
    return found;
  }
}

class Node<V> {
  readonly children = new Map<string, Node<V>>();
  readonly values = new Set<V>();

  get isEmpty(): boolean {
    return this.children.size === 0 && this.values.size === 0;
  }

  childFor(level: string): Node<V> {
    let child = this.children.get(level);
    if (child === undefined) {
      child = new Node();
      this.children.set(level, child);
    }
    return child;
  }
}

/** Level by level and not recursive: a filter may have more levels than the call stack has frames. */
function collect<V>(start: Node<V>, levels: readonly string[], from: number, found: Set<V>): void {
  let nodes = [start];
  for (let depth = from; depth < levels.length && nodes.length > 0; depth++) {
    const next: Node<V>[] = [];
    for (const node of nodes) {
      // `#` stands for its parent level and for everything below it.
      addAll(found, node.children.get('#'));
      const same = node.children.get(levels[depth]!);
      if (same !== undefined) next.push(same);
      const wild = node.children.get('+');
      if (wild !== undefined) next.push(wild);
    }
    nodes = next;
  }
  for (const node of nodes) {
    addAll(found, node.children.get('#'));
    addAll(found, node);
  }
}

function addAll<V>(found: Set<V>, node: Node<V> | undefined): void {
  if (node !== undefined) for (const value of node.values) found.add(value);
}
