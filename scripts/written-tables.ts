import { readFileSync, writeFileSync } from 'node:fs';

export const row = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** Writes tables between their two comments in a page of docs/; with --check only tells that they are not fresh. */
export function writeTables(page: string, tables: Readonly<Record<string, readonly string[]>>): void {
  const path = new URL(`../docs/${page}`, import.meta.url);
  const before = readFileSync(path, 'utf8');
  let after = before;
  for (const [name, rows] of Object.entries(tables)) {
    const [begin, end] = [`<!-- ${name}, written by \`npm run generate\` -->`, `<!-- end of ${name} -->`];
    const [from, to] = [after.indexOf(begin), after.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`docs/${page}: the two comments around the ${name} are gone`);
    after = `${after.slice(0, from)}${begin}\n\n${rows.join('\n')}\n\n${after.slice(to)}`;
  }
  if (after === before) return;
  if (process.argv.includes('--check')) {
    console.error(`docs/${page}: not fresh, run npm run generate`);
    process.exitCode = 1;
  } else writeFileSync(path, after);
}
