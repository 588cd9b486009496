// Writes the option tables of docs/<type>.md from the comments in proto/; with --check only tells which are not fresh.
import { readFileSync, writeFileSync } from 'node:fs';
import {
  type DescEnum,
  type DescField,
  type DescMessage,
  getOption,
  hasOption,
  ScalarType,
} from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import { field as rules } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { commentOf, ROOT, registry } from './schema-image.ts';

const INTEGRATION = 'penstock.v1.Integration';
const BEGIN = '<!-- Written by `npm run generate` from the comments in proto/: change them there. -->';
const END = '<!-- End of what is generated. -->';
/** The sentence of a comment that tells what an option is when it is not set. */
const UNSET = /(?:^| )((?:0 or unset|Unset|Unspecified): (.+?))\.(?= |$)/;

const isWellKnown = ({ typeName }: DescMessage) => typeName.startsWith('google.protobuf.');
const linked = ({ name }: DescMessage | DescEnum) => `[${name}](#${name.toLowerCase()})`;

/** A message or an enum that has a table of its own. */
function described(field: DescField): DescMessage | DescEnum | undefined {
  const { message, enum: values } = field;
  if (message && !isWellKnown(message) && message.fields.length > 0) return message;
  return values;
}

function single(field: DescField): string {
  const section = described(field);
  if (section) return linked(section);
  if (field.message) return isWellKnown(field.message) ? field.message.name.toLowerCase() : '`{}`';
  const name = field.scalar === undefined ? undefined : SCALARS[field.scalar];
  if (name === undefined) throw new Error(`${field}: name its type here`);
  return name;
}

const SCALARS: Readonly<Partial<Record<ScalarType, string>>> = {
  [ScalarType.DOUBLE]: 'number',
  [ScalarType.INT32]: 'integer',
  [ScalarType.INT64]: 'integer',
  [ScalarType.UINT32]: 'integer',
  [ScalarType.UINT64]: 'integer',
  [ScalarType.BOOL]: 'true or false',
  [ScalarType.STRING]: 'text',
  [ScalarType.BYTES]: 'base64',
};

function typeOf(field: DescField): string {
  if (field.fieldKind === 'list') return `list of ${single(field)}`;
  if (field.fieldKind === 'map') return `map of text to ${single(field)}`;
  return single(field);
}

function defaultOf(field: DescField, comment: string): string {
  const rule = hasOption(field, rules) ? getOption(field, rules) : undefined;
  if (rule?.required) return 'required';
  if (rule?.type.case === 'repeated' && rule.type.value.minItems > 0n) return 'required';
  if (rule?.type.case === 'enum' && rule.type.value.notIn.includes(0)) return 'required';
  const unset = UNSET.exec(comment)?.[2];
  if (unset !== undefined) return unset;
  if (field.oneof) return 'one of these';
  const isSecret = field.proto.options?.debugRedact ?? false;
  if (field.fieldKind === 'scalar' && field.presence === FeatureSet_FieldPresence.EXPLICIT && !isSecret) {
    throw new Error(`${field}: say in its comment what it is when it is not set: “Unset: …”`);
  }
  const isFalse = field.scalar === ScalarType.BOOL && field.presence === FeatureSet_FieldPresence.IMPLICIT;
  return isFalse ? 'false' : '–';
}

const cells = (...texts: readonly string[]) =>
  `| ${texts.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`;

function table(desc: DescMessage | DescEnum): readonly string[] {
  if (desc.kind === 'enum') {
    const rows = desc.values.map(({ name }, i) => cells(`\`${name}\``, commentOf(desc, i)));
    return [cells('value', 'means'), cells('---', '---'), ...rows];
  }
  const rows = desc.fields.map((field, i) => {
    const comment = commentOf(desc, i);
    const what = comment.replace(UNSET, '').trim();
    return cells(`\`${field.name}\``, typeOf(field), defaultOf(field, comment), what);
  });
  return [cells('option', 'type', 'default', 'what'), cells('---', '---', '---', '---'), ...rows];
}

/** What a message speaks of, itself first, each once. */
function sections(desc: DescMessage | DescEnum, found = new Set<DescMessage | DescEnum>()) {
  if (found.has(desc)) return found;
  found.add(desc);
  if (desc.kind === 'message') {
    for (const field of desc.fields) {
      const next = described(field);
      if (next) sections(next, found);
    }
  }
  return found;
}

function generated(configuration: DescMessage): string {
  const parts = [...sections(configuration)].map((desc) =>
    [`### ${desc.name}`, '', commentOf(desc), '', ...table(desc)].join('\n'),
  );
  return [BEGIN, ...parts, END].join('\n\n');
}

const integration = registry.getMessage(INTEGRATION)!;
const types = integration.oneofs.find(({ name }) => name === 'configuration')!.fields;
const stale: string[] = [];
for (const { name, message } of types) {
  const page = new URL(`docs/${name}.md`, ROOT);
  const before = readFileSync(page, 'utf8');
  const [begin, end] = [before.indexOf(BEGIN), before.indexOf(END)];
  if (begin < 0 || end < begin)
    throw new Error(`docs/${name}.md: the two comments around its options are gone`);
  const after = before.slice(0, begin) + generated(message!) + before.slice(end + END.length);
  if (after === before) continue;
  stale.push(`docs/${name}.md`);
  if (!process.argv.includes('--check')) writeFileSync(page, after);
}
if (process.argv.includes('--check') && stale.length > 0) {
  console.error(`${stale.join(', ')}: not fresh, run npm run generate`);
  process.exitCode = 1;
}
