/** The tree's source files, parsed, for the tidy tests. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Comment, type Program, parseSync } from 'oxc-parser';

export const ROOT = join(import.meta.dirname, '../..');

/** One edge of the import graph: `import`, `export … from` and `import()` alike. */
export interface ImportEdge {
  /** As written: `./x.ts`, `node:fs`, `ssh2`. */
  readonly specifier: string;
  /** Erased when the code runs. */
  readonly isType: boolean;
  readonly line: number;
}

export interface SourceFile {
  /** From the root, with slashes: `src/base/assert.ts`. */
  readonly path: string;
  readonly text: string;
  readonly program: Program;
  readonly comments: readonly Comment[];
  readonly imports: readonly ImportEdge[];
}

/** A node of the syntax tree, as far as every node looks the same. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}

/** Every node under `value`, it included, in source order. */
export function* syntaxNodes(value: unknown): Generator<SyntaxNode> {
  if (Array.isArray(value)) {
    for (const item of value) yield* syntaxNodes(item);
  } else if (isNode(value)) {
    yield value;
    for (const field of Object.values(value)) yield* syntaxNodes(field);
  }
}

/** Line of `offset` in `text`, from 1. */
export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

function importsOf(text: string, module: ReturnType<typeof parseSync>['module']): ImportEdge[] {
  const edges: ImportEdge[] = [];
  for (const statement of module.staticImports) {
    edges.push({
      specifier: statement.moduleRequest.value,
      isType: statement.entries.length > 0 && statement.entries.every((entry) => entry.isType),
      line: lineOf(text, statement.start),
    });
  }
  for (const entry of module.staticExports.flatMap((statement) => statement.entries)) {
    if (entry.moduleRequest === null) continue;
    edges.push({
      specifier: entry.moduleRequest.value,
      isType: entry.isType,
      line: lineOf(text, entry.start),
    });
  }
  for (const expression of module.dynamicImports) {
    const written = text.slice(expression.moduleRequest.start, expression.moduleRequest.end);
    edges.push({
      specifier: written.replaceAll(/^['"`]|['"`]$/g, ''),
      isType: false,
      line: lineOf(text, expression.start),
    });
  }
  return edges;
}

/** Parses `text` as the file at `path`. */
export function parseSource(path: string, text: string): SourceFile {
  const { program, comments, module, errors } = parseSync(path, text);
  const [error] = errors;
  if (error !== undefined) throw new Error(`${path} does not parse: ${error.message}`);
  return { path, text, program, comments, imports: importsOf(text, module) };
}

/** Paths from the root of the files under `folders` that end in one of `extensions`, sorted. */
export function listFiles(folders: readonly string[], extensions: readonly string[]): string[] {
  return folders
    .flatMap((folder) => {
      try {
        return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map(
          (name) => `${folder}/${name}`,
        );
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
        throw error;
      }
    })
    .filter((path) => extensions.some((extension) => path.endsWith(extension)))
    .toSorted();
}

/** Every TypeScript and JavaScript source of the project. */
export function projectSources(): SourceFile[] {
  return listFiles(['src', 'harness', 'test', 'bin', 'scripts', 'bench'], ['.ts', '.mjs']).map(
    (path) => parseSource(path, readFileSync(join(ROOT, path), 'utf8')),
  );
}
