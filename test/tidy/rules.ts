/** What a file may not hold, each rule a function from a file to sentences about what breaks it. */
import { type SourceFile, type SyntaxNode, lineOf, syntaxNodes } from './source-file.ts';

export const FILE_LINES_MAX = 500;
export const FUNCTION_LINES_MAX = 100;

const FUNCTIONS = ['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'];
const UNFINISHED = /\b(TODO|FIXME)\b/;

/** Files of src and harness stay short: longer means that a room is missing. */
export function longFiles({ path, text }: SourceFile): string[] {
  const lines = text.trimEnd().split('\n').length;
  return lines > FILE_LINES_MAX
    ? [`${path} has ${lines} lines, over ${FILE_LINES_MAX}: split it by subject.`]
    : [];
}

export function longFunctions({ path, text, program }: SourceFile): string[] {
  const broken: string[] = [];
  for (const node of syntaxNodes(program)) {
    if (!FUNCTIONS.includes(node.type)) continue;
    const first = lineOf(text, node.start);
    const lines = lineOf(text, node.end) - first + 1;
    if (lines > FUNCTION_LINES_MAX) {
      broken.push(`${path}:${first}: a function of ${lines} lines, over ${FUNCTION_LINES_MAX}.`);
    }
  }
  return broken;
}

/** Comments that promise work; an issue is the place for it. Strings are not looked at. */
export function unfinishedWork({ path, text, comments }: SourceFile): string[] {
  return comments
    .filter((comment) => UNFINISHED.test(comment.value))
    .map((comment) => `${path}:${lineOf(text, comment.start)}: finish it, or write an issue.`);
}

/** The same for a language without a parser here. */
export function unfinishedLines(path: string, text: string): string[] {
  return text
    .split('\n')
    .flatMap((line, index) =>
      UNFINISHED.test(line) ? [`${path}:${index + 1}: finish it, or write an issue.`] : [],
    );
}

function identifierName(value: unknown): string | undefined {
  const node = value as SyntaxNode | undefined;
  return node?.type === 'Identifier' ? String(node['name']) : undefined;
}

/**
 * Tests switched off or on by hand. Where a machine lacks something, `context.skip('what is
 * missing')` or `it.skipIf(…)` says so in the report.
 */
export function switchedTests({ path, text, program }: SourceFile): string[] {
  const broken: string[] = [];
  for (const node of syntaxNodes(program)) {
    if (node.type !== 'MemberExpression') continue;
    const owner = identifierName(node['object']);
    const property = identifierName(node['property']);
    if (owner === undefined || !['it', 'test', 'describe', 'suite'].includes(owner)) continue;
    if (property !== undefined && ['only', 'skip', 'todo', 'fails'].includes(property)) {
      broken.push(`${path}:${lineOf(text, node.start)}: ${owner}.${property} hides tests.`);
    }
  }
  return broken;
}

function isEmptyBlock(value: unknown, file: SourceFile): boolean {
  const block = value as SyntaxNode | null | undefined;
  if (block?.type !== 'BlockStatement' || (block['body'] as unknown[]).length > 0) return false;
  return !file.comments.some(({ start, end }) => start > block.start && end < block.end);
}

function isCatchCall(node: SyntaxNode): boolean {
  const callee = node['callee'] as SyntaxNode | undefined;
  return (
    node.type === 'CallExpression' &&
    callee?.type === 'MemberExpression' &&
    identifierName(callee['property']) === 'catch'
  );
}

function isCommentedAbove(node: SyntaxNode, { text, comments }: SourceFile): boolean {
  const line = lineOf(text, node.end);
  return comments.some((comment) => lineOf(text, comment.end) === line - 1);
}

/**
 * Nothing is swallowed: an empty `catch` block needs a sentence inside, `.catch(() => {})` one inside
 * or on the line above.
 */
export function silentCatches(file: SourceFile): string[] {
  const broken: string[] = [];
  for (const node of syntaxNodes(file.program)) {
    const bodies =
      node.type === 'CatchClause'
        ? [node['body']]
        : isCatchCall(node)
          ? (node['arguments'] as SyntaxNode[]).map((argument) => argument['body'])
          : [];
    const isExplained = node.type === 'CallExpression' && isCommentedAbove(node, file);
    if (!isExplained && bodies.some((body) => isEmptyBlock(body, file))) {
      const line = lineOf(file.text, node.start);
      broken.push(`${file.path}:${line}: an empty catch says nothing of why nothing is done.`);
    }
  }
  return broken;
}
