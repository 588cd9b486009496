// Writes the table of docs/security.md from src/rpc/policy.ts; with --check only tells that it is not fresh.
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
