// Writes the tables of docs/errors.md from src/rpc/reasons.ts and violation-reasons.ts; with --check only tells that they are not
// fresh.
import { readFileSync, writeFileSync } from 'node:fs';
import { Code } from '../gen/google/rpc/code_pb.ts';
import { REASONS } from '../src/rpc/reasons.ts';
import { VIOLATION_REASONS } from '../src/rpc/violation-reasons.ts';

const PAGE = new URL('../docs/errors.md', import.meta.url);

const nameOf = (code: Code) => Object.entries(Code).find(([, number]) => number === code)![0];
const row = (...cells: readonly string[]) => `| ${cells.join(' | ')} |`;
const sorted = <T>(table: Readonly<Record<string, T>>) =>
  Object.entries(table).toSorted(([a], [b]) => (a < b ? -1 : 1));

const reasons = sorted(REASONS).map(([name, { codes, when, todo }]) =>
  row(`\`${name}\``, codes.map((code) => `\`${nameOf(code)}\``).join(', '), when, todo),
);
const violations = sorted(VIOLATION_REASONS).map(([name, { when, todo }]) => row(`\`${name}\``, when, todo));

const TABLES = {
  reasons: [row('reason', 'code', 'when', 'what to do'), row('---', '---', '---', '---'), ...reasons],
  violations: [row('reason', 'what is wrong', 'what to do'), row('---', '---', '---'), ...violations],
};

const before = readFileSync(PAGE, 'utf8');
let after = before;
for (const [name, rows] of Object.entries(TABLES)) {
  const [begin, end] = [`<!-- ${name}, written by \`npm run generate\` -->`, `<!-- end of ${name} -->`];
  const [from, to] = [after.indexOf(begin), after.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/errors.md: the two comments around the ${name} are gone`);
  after = `${after.slice(0, from)}${begin}\n\n${rows.join('\n')}\n\n${after.slice(to)}`;
}
if (after !== before) {
  if (process.argv.includes('--check')) {
    console.error('docs/errors.md: not fresh, run npm run generate');
    process.exitCode = 1;
  } else writeFileSync(PAGE, after);
}
