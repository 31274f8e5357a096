/** The commands that the documentation prints, as a reader would type them. */

export interface PrintedCommand {
  /** As printed, on one line. */
  readonly line: string;
  /** Without `capstan`. */
  readonly args: readonly string[];
  /** Whether what is printed beneath it is a refusal. */
  readonly isRefused: boolean;
}

/** `$ capstan`, `east$ capstan`, or indented without a prompt. */
const PROMPT = /^(?:\s*[a-z]*\$ | {4})(?:npm run )?(capstan|sim) (?:-- )?(?=\S)/;
/** What stands for a value that the reader has. */
const FINGERPRINT = /SHA256:[^\s']*…/g;

/** The commands of a page of Markdown, in their order. */
export function printedCommands(page: string): readonly PrintedCommand[] {
  const lines = page.replaceAll(/\\\n\s*/g, '').split('\n');
  return lines.flatMap((line, index) => {
    const [prompt, program] = PROMPT.exec(line) ?? [];
    if (prompt === undefined) return [];
    const words = wordsOf(line.slice(prompt.length).replaceAll(FINGERPRINT, exampleFingerprint));
    const args = program === 'sim' ? ['sim', ...words] : words;
    return [
      { line: line.trim(), args, isRefused: lines[index + 1]?.startsWith('capstan: ') ?? false },
    ];
  });
}

const exampleFingerprint = (): string => `SHA256:${'a'.repeat(43)}`;

/** As a shell takes a line apart: quotes, backslashes, a remark behind `#`; up to a redirection. */
function wordsOf(line: string): readonly string[] {
  const words: string[] = [];
  for (const [word = ''] of line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)) {
    if (/^(?:#|<|>|\||&)/.test(word)) break;
    words.push(word.replaceAll(/'([^']*)'|"([^"]*)"|\\(.)/g, '$1$2$3'));
  }
  return words;
}
