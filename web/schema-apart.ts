import { readFileSync } from 'node:fs';

/** A file that is generated from the schema; its enums are under the same name with this behind it. */
const GENERATED = /\/gen\/.*_pb\.ts$/;
const ENUMS = '?enums';
const ENUM = /export const (\w+) = \{\n[\s\S]*?\n\} as const;/g;
/** What describes the options of a schema: the import of it, and where it is handed to `fileDesc`. */
const OPTIONS = 'file_buf_validate_validate|file_google_api_\\w+';
const IMPORTED = new RegExp(`^import \\{ (${OPTIONS}) \\} from .*\n`, 'gm');
const HANDED = new RegExp(`(?<=fileDesc\\("[^"]*", \\[[^\\]]*)\\b(${OPTIONS})(, )?`, 'g');

/**
 * The plugin that builds the generated files so that a page loads of them what it uses. A module is never divided between files of a
 * build, so enums are modules of their own: whatever tells states apart would otherwise load the descriptors of all messages, and
 * the library that reads them. The options of fields, such as rules, stay in the descriptors, but what describes those options
 * is loaded by who reads them alone, which is the form.
 */
export const schemaApart = () => ({
  name: 'schema-apart',
  enforce: 'pre' as const,
  resolveId(id: string) {
    return id.endsWith(ENUMS) ? { id, moduleSideEffects: false } : undefined;
  },
  load(id: string) {
    if (!id.endsWith(ENUMS)) return undefined;
    const enums = readFileSync(id.slice(0, -ENUMS.length), 'utf8').match(ENUM) ?? [];
    return enums.join('\n').replaceAll(' as const;', ';');
  },
  transform(code: string, id: string) {
    if (!GENERATED.test(id)) return undefined;
    const rest = code.replace(ENUM, '').replace(IMPORTED, '').replace(HANDED, '');
    const names = [...code.matchAll(ENUM)].map(([, name]) => name).join(', ');
    if (names === '') return rest;
    return `import { ${names} } from ${JSON.stringify(id + ENUMS)};\nexport { ${names} };\n${rest}`;
  },
});
