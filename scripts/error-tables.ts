// Writes the tables of docs/errors.md from src/rpc/reasons.ts and violation-reasons.ts; with --check only tells that they are not
// fresh.
import { Code } from '../gen/google/rpc/code_pb.ts';
import { REASONS } from '../src/rpc/reasons.ts';
import { VIOLATION_REASONS } from '../src/rpc/violation-reasons.ts';
import { row, writeTables } from './written-tables.ts';

const nameOf = (code: Code) => Object.entries(Code).find(([, number]) => number === code)![0];
const sorted = <T>(table: Readonly<Record<string, T>>) =>
  Object.entries(table).toSorted(([a], [b]) => (a < b ? -1 : 1));

const reasons = sorted(REASONS).map(([name, { codes, when, todo }]) =>
  row(`\`${name}\``, codes.map((code) => `\`${nameOf(code)}\``).join(', '), when, todo),
);
const violations = sorted(VIOLATION_REASONS).map(([name, { when, todo }]) => row(`\`${name}\``, when, todo));

writeTables('errors.md', {
  reasons: [row('reason', 'code', 'when', 'what to do'), row('---', '---', '---', '---'), ...reasons],
  violations: [row('reason', 'what is wrong', 'what to do'), row('---', '---', '---'), ...violations],
});
