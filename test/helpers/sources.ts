import { globSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';

export interface Source {
  /** From the repository's root. */
  readonly path: string;
  /** Without comments. */
  readonly code: string;
  readonly lines: number;
  readonly imports: readonly Import[];
}

export interface Import {
  /** A file from the repository's root, or undefined when it is a package or a part of Node. */
  readonly file?: string;
  /** A package, such as `pg` or `@grpc/grpc-js`, or a part of Node, such as `node:fs`. */
  readonly module?: string;
}

const ROOT = new URL('../..', import.meta.url).pathname;
const STATEMENT =
  /^[ \t]*(?:import|export)\b(?:[ \t]*|[ \t]+(?:type[ \t]+)?(?:[\w$]+,?[ \t]*)?(?:\{[^{}]*\}|\*(?:[ \t]+as[ \t]+[\w$]+)?)?[ \t]*from[ \t]*)['"]([^'"\n]+)['"]/gm;
const CALL = /\b(?:import|require|createRequire\(import\.meta\.url\))\(\s*['"]([^'"\n]+)['"]/g;
/** A string, which is kept, or a comment. Regular expressions that hold quotes do no harm beyond their line. */
const STRING_OR_COMMENT =
  /('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|(?<![:\\])\/\/.*/g;

/** The TypeScript sources of some folders, with what they import. */
export function sourcesIn(...folders: readonly string[]): readonly Source[] {
  const paths = folders.flatMap((folder) =>
    globSync(`${folder}/**/*.{ts,tsx}`, { cwd: ROOT, exclude: ['**/node_modules', '**/dist'] }),
  );
  return paths.toSorted().map((path) => sourceOf(path, readFileSync(ROOT + path, 'utf8')));
}

export function sourceOf(path: string, text: string): Source {
  const code = text.replace(STRING_OR_COMMENT, (_, string?: string) => string ?? '');
  const untemplated = text.replace(STRING_OR_COMMENT, (_, string = '') =>
    string[0] === '`' ? '``' : string,
  );
  const specifiers = [STATEMENT, CALL].flatMap((way) =>
    [...untemplated.matchAll(way)].map(([, one]) => one!),
  );
  return {
    path,
    code,
    lines: text.trimEnd().split('\n').length,
    imports: [...new Set(specifiers)].map((specifier) => importOf(path, specifier)),
  };
}

/** The code without what its strings and templates say. */
export function withoutStrings({ code }: Source): string {
  return code.replace(STRING_OR_COMMENT, "''");
}

function importOf(path: string, specifier: string): Import {
  // What a bundler is told stands behind `?`.
  if (specifier.startsWith('.'))
    return { file: posix.join(posix.dirname(path), specifier.split('?', 1)[0]!) };
  if (specifier.startsWith('node:')) return { module: specifier };
  return {
    module: specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/'),
  };
}
