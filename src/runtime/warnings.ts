/** What a node warns of although it does its work: one text for each thing it may warn of. */
export class Warnings {
  readonly #texts = new Map<string, string>();

  /** Undefined: there is nothing to warn of any more. */
  set(about: string, text: string | undefined): void {
    if (text === undefined) this.#texts.delete(about);
    else this.#texts.set(about, text);
  }

  all(): string[] {
    return [...this.#texts.values()];
  }
}
