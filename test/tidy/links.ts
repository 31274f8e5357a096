/** Relative links of the Markdown pages. */
import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/** GitHub's anchor of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');
}

function withoutCode(text: string): string {
  return text.replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, '').replaceAll(/`[^`\n]*`/g, '');
}

/** One sentence for each relative link of the page `path` (under `root`) that leads nowhere. */
export function brokenLinks(root: string, path: string): string[] {
  const broken: string[] = [];
  const text = withoutCode(readFileSync(join(root, path), 'utf8'));
  for (const [, target = ''] of text.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)) {
    if (/^[a-z][a-z0-9+.-]*:/i.test(target)) continue;
    const [file = '', anchor] = target.split('#');
    const linked = file === '' ? path : posix.join(posix.dirname(path), decodeURI(file));
    if (!existsSync(join(root, linked))) {
      broken.push(`${path}: the link to ${target} leads nowhere.`);
    } else if (anchor !== undefined && linked.endsWith('.md')) {
      const headings = readFileSync(join(root, linked), 'utf8').matchAll(/^#+\s+(.*)$/gm);
      if (![...headings].some(([, heading = '']) => anchorOf(heading) === anchor)) {
        broken.push(`${path}: ${linked} has no heading for #${anchor}.`);
      }
    }
  }
  return broken;
}
