// Writes the table of docs/security.md and gen/penstock/v1/roles.ts from src/rpc/policy.ts; with --check only tells that one is not fresh.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Role } from '../gen/penstock/v1/access_pb.ts';
import { POLICY } from '../src/rpc/policy.ts';
import { row, writeTables } from './written-tables.ts';

const ROLES = [Role.UNSPECIFIED, Role.VIEWER, Role.OPERATOR, Role.EDITOR, Role.ADMIN];
const services = Map.groupBy(POLICY, ([method]) => method.parent.name);
const rows = [...services].map(([service, rules]) =>
  row(
    `\`${service}\``,
    ...ROLES.map((role) => {
      const own = rules.filter(([, rule]) => (rule.role ?? Role.UNSPECIFIED) === role);
      return [...new Set(own.map(([{ name }, { isWhole }]) => (isWhole ? `${name}*` : name)))].join(', ');
    }),
  ),
);

writeTables('security.md', {
  roles: [
    row('service', 'whoever asks', 'viewer', 'operator', 'editor', 'admin'),
    row(...Array.from({ length: 6 }, () => '---')),
    ...rows,
  ],
});

const FILE = new URL('../gen/penstock/v1/roles.ts', import.meta.url);
const names = ROLES.slice(1).map((role) => {
  const own = [...POLICY].filter(([, rule]) => rule.role === role);
  return `  [${role}, ${JSON.stringify(own.map(([{ name, parent }]) => `${parent.name}/${name}`).join(' '))}],`;
});
const text = `// Written by \`npm run generate\` from src/rpc/policy.ts: change it there.

/** Each role by its number, and the RPCs that ask for it, or for one that may more, as \`Service/Method\`, apart by blanks. */
export const METHODS_OF_ROLES: readonly (readonly [role: number, methods: string])[] = [
${names.join('\n')}
];
`;
const before = existsSync(FILE) ? readFileSync(FILE, 'utf8') : '';
if (before !== text && process.argv.includes('--check')) {
  console.error('gen/penstock/v1/roles.ts is not fresh: npm run generate');
  process.exitCode = 1;
} else if (before !== text) writeFileSync(FILE, text);
