// Writes gen/penstock/v1/comments.ts from proto/: what the fields and values of integrations are for, which the web UI shows beside
// them; with --check only tells whether it is fresh.
import { readFileSync, writeFileSync } from 'node:fs';
import type { DescEnum, DescMessage } from '@bufbuild/protobuf';
import { commentOf, ROOT, registry } from './schema-image.ts';

const FILE = new URL('gen/penstock/v1/comments.ts', ROOT);

/** What a message speaks of, itself first, each once. */
function reached(desc: DescMessage | DescEnum, found = new Set<DescMessage | DescEnum>()) {
  if (found.has(desc) || desc.typeName.startsWith('google.')) return found;
  found.add(desc);
  if (desc.kind === 'message') {
    for (const field of desc.fields) {
      if (field.message) reached(field.message, found);
      if (field.enum) reached(field.enum, found);
    }
  }
  return found;
}

const integration = registry.getMessage('penstock.v1.Integration')!;
const lines = [...reached(integration)].flatMap((desc) => {
  const members = desc.kind === 'message' ? desc.fields : desc.values;
  const all = [
    [desc.name, commentOf(desc)],
    ...members.map(({ name }, i) => [`${desc.name}.${name}`, commentOf(desc, i)]),
  ];
  return all.map(([name, comment]) => `  ${JSON.stringify(name)}: ${JSON.stringify(comment)},`);
});
const text = `// Written by \`npm run generate\` from the comments in proto/: change them there.

/** The comments of what integrations are made of, by \`Message\`, \`Message.field\`, \`Enum\` and \`Enum.VALUE\`. */
export const COMMENTS: Readonly<Record<string, string>> = {
${lines.join('\n')}
};
`;
if (process.argv.includes('--check')) {
  if (readFileSync(FILE, 'utf8') !== text) {
    console.error('gen/penstock/v1/comments.ts is not fresh: npm run generate');
    process.exitCode = 1;
  }
} else writeFileSync(FILE, text);
