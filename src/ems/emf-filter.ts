/**
 * EMF, the language of EMS filters: compiles a filter, and says which events it passes.
 *
 *   FILTER name ;
 *   BEGIN
 *     [ SSID(subsystem) ; ]                       qualifies the tokens that need it
 *     IF condition THEN action [ ELSE action ] ;
 *     PASS ;  FAIL ;
 *   END ;
 *
 * An action is PASS, FAIL, another IF, or statements between BEGIN and END. A condition compares tokens,
 * values and constants (= <> < <= > >=) and joins comparisons by NOT, AND, OR and parentheses. An event
 * that no statement decides about fails. A comparison with a token that the event lacks is false.
 * Remarks stand behind an exclamation mark.
 *
 * The subset is what the manuals' examples show. Ours, where they are silent: nested statements, remarks,
 * and the comparison with a missing token.
 *
 * @source EMS Manual (426909-005), p. 65, 93, 99, 114 and 129.
 */
import {
  EMF_CONSTANTS,
  EMF_TOKENS,
  type EmfToken,
  type EmfType,
  type EmfValue,
} from './emf-symbols.ts';
import { type EmfWord, emfWords, refuseAt } from './emf-lexer.ts';

/** How deep statements and parentheses may be nested. */
export const EMF_DEPTH_MAX = 32;
const NAME_CHARS_MAX = 31;

/** An event as a filter sees it: the tokens that it has, by name. */
export type EmfEvent = Readonly<Partial<Record<keyof typeof EMF_TOKENS, EmfValue['value']>>>;

export interface EmfFilter {
  readonly name: string;
  /** Whether the event goes on to the distributor's reader. */
  passes(event: EmfEvent): boolean;
}

type Verdict = 'PASS' | 'FAIL' | undefined;
type Statement = (event: EmfEvent) => Verdict;
type Condition = (event: EmfEvent) => boolean;

interface Operand {
  readonly type: EmfType;
  readonly at: EmfWord;
  /** Undefined where the event lacks the token. */
  readonly value: (event: EmfEvent) => EmfValue['value'] | undefined;
}

const COMPARISONS: Readonly<Record<string, (order: number) => boolean>> = {
  '=': (order) => order === 0,
  '<>': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

/** Throws INVALID_ARGUMENT with line and column of the first mistake, LIMIT_EXCEEDED. */
export function compileEmfFilter(source: string): EmfFilter {
  return new Compiler(emfWords(source)).filter();
}

class Compiler {
  readonly #words: readonly EmfWord[];
  #index = 0;
  #depth = 0;
  /** The subsystem of `SSID(…);`, owner and name. */
  #qualifier: string | undefined;

  constructor(words: readonly EmfWord[]) {
    this.#words = words;
  }

  filter(): EmfFilter {
    this.#expect('FILTER');
    const name = this.#name('the name of the filter');
    if (name.text.length > NAME_CHARS_MAX) {
      refuseAt(name, `a name has at most ${NAME_CHARS_MAX} characters`);
    }
    this.#expect(';');
    const run = this.#block();
    this.#accept(';');
    if (this.#word.kind !== 'end') refuseAt(this.#word, 'the filter ended before this');
    return { name: name.text, passes: (event) => run(event) === 'PASS' };
  }

  /** `BEGIN statement … END` */
  #block(): Statement {
    return this.#nested(() => {
      this.#expect('BEGIN');
      this.#accept(';');
      const statements: Statement[] = [];
      while (!this.#accept('END')) {
        if (statements.length === 0 && this.#word.text === 'SSID') {
          this.#qualifier = this.#subsystem();
        } else {
          statements.push(this.#statement());
        }
        if (this.#word.text !== 'END') this.#expect(';');
      }
      return (event) => {
        for (const statement of statements) {
          const verdict = statement(event);
          if (verdict !== undefined) return verdict;
        }
        return undefined;
      };
    });
  }

  #statement(): Statement {
    const at = this.#word;
    if (this.#accept('PASS')) return () => 'PASS';
    if (this.#accept('FAIL')) return () => 'FAIL';
    if (at.text === 'BEGIN') return this.#block();
    if (!this.#accept('IF')) refuseAt(at, `${quote(at)} begins no statement; IF, PASS, FAIL do`);
    return this.#nested(() => {
      const condition = this.#condition();
      this.#expect('THEN');
      const then = this.#statement();
      const otherwise = this.#accept('ELSE') ? this.#statement() : undefined;
      return (event) => (condition(event) ? then(event) : otherwise?.(event));
    });
  }

  #condition(): Condition {
    return this.#joined('OR', () => this.#joined('AND', () => this.#term()));
  }

  #joined(word: 'AND' | 'OR', part: () => Condition): Condition {
    const parts = [part()];
    while (this.#accept(word)) parts.push(part());
    const [only] = parts;
    if (parts.length === 1 && only !== undefined) return only;
    return word === 'AND'
      ? (event) => parts.every((each) => each(event))
      : (event) => parts.some((each) => each(event));
  }

  #term(): Condition {
    return this.#nested(() => {
      if (this.#accept('NOT')) {
        const term = this.#term();
        return (event) => !term(event);
      }
      if (this.#accept('(')) {
        const condition = this.#condition();
        this.#expect(')');
        return condition;
      }
      return this.#comparison();
    });
  }

  #comparison(): Condition {
    const left = this.#operand();
    const sign = this.#word;
    const holds = sign.kind === 'sign' ? COMPARISONS[sign.text] : undefined;
    if (holds === undefined) {
      if (left.type === 'boolean') return (event) => left.value(event) === true;
      refuseAt(sign, `a comparison is missing before ${quote(sign)}`);
    }
    this.#index += 1;
    const right = this.#operand();
    if (left.type !== right.type) {
      refuseAt(right.at, `a ${right.type} cannot be compared with a ${left.type}`);
    }
    const ordered = left.type === 'number' || left.type === 'string';
    if (!ordered && sign.text !== '=' && sign.text !== '<>') {
      refuseAt(sign, `of two values of type ${left.type} none is the greater`);
    }
    return (event) => {
      const one = left.value(event);
      const other = right.value(event);
      return one !== undefined && other !== undefined && holds(compare(one, other));
    };
  }

  #operand(): Operand {
    const at = this.#word;
    this.#index += 1;
    if (at.kind === 'number') return constant(at, { type: 'number', value: Number(at.text) });
    if (at.kind === 'string') return constant(at, { type: 'string', value: at.text });
    if (at.text === 'TRUE' || at.text === 'FALSE') {
      return constant(at, { type: 'boolean', value: at.text === 'TRUE' });
    }
    if (at.text === 'SSID') {
      this.#index -= 1;
      return this.#ssidFunction(at);
    }
    const known = Object.hasOwn(EMF_CONSTANTS, at.text) ? EMF_CONSTANTS[at.text] : undefined;
    if (known !== undefined) return constant(at, known);
    return this.#token(at, this.#qualifier);
  }

  /** `SSID(subsystem)` is that subsystem, `SSID(subsystem, token)` its token. */
  #ssidFunction(at: EmfWord): Operand {
    const subsystem = this.#subsystem(',');
    if (this.#accept(')')) return constant(at, { type: 'ssid', value: subsystem });
    this.#expect(',');
    const token = this.#token(this.#name('a token'), subsystem);
    this.#expect(')');
    return token;
  }

  #token(at: EmfWord, qualifier: string | undefined): Operand {
    const token: EmfToken | undefined =
      at.kind === 'name' && Object.hasOwn(EMF_TOKENS, at.text)
        ? EMF_TOKENS[at.text as keyof typeof EMF_TOKENS]
        : undefined;
    if (token === undefined) refuseAt(at, `${quote(at)} is no token and no value that is known`);
    if (token.of === 'ems' && qualifier !== EMF_CONSTANTS['ZEMS^VAL^SSID']?.value) {
      refuseAt(at, `${at.text} is no header token: write SSID(ZEMS^VAL^SSID, ${at.text})`);
    }
    const name = at.text as keyof typeof EMF_TOKENS;
    return { type: token.type, at, value: (event) => event[name] };
  }

  /** `SSID(subsystem)`; with `end` ',' all up to the comma or parenthesis. Owner and name. */
  #subsystem(end?: ','): string {
    this.#expect('SSID');
    this.#expect('(');
    const at = this.#word;
    this.#index += 1;
    const known = Object.hasOwn(EMF_CONSTANTS, at.text) ? EMF_CONSTANTS[at.text] : undefined;
    const value = at.kind === 'string' ? ownerAndName(at) : known?.value;
    if (typeof value !== 'string' || (at.kind !== 'string' && known?.type !== 'ssid')) {
      refuseAt(at, `${quote(at)} is no subsystem; one is ZTAP^VAL^SSID or "TANDEM.ZSVR.H06"`);
    }
    if (end === undefined) this.#expect(')');
    return value;
  }

  get #word(): EmfWord {
    const word = this.#words[this.#index] ?? this.#words.at(-1);
    return word ?? { kind: 'end', text: '', line: 1, column: 1 };
  }

  #accept(text: string): boolean {
    const { kind } = this.#word;
    if ((kind !== 'name' && kind !== 'sign') || this.#word.text !== text) return false;
    this.#index += 1;
    return true;
  }

  #expect(text: string): void {
    if (!this.#accept(text)) refuseAt(this.#word, `${text} is missing before ${quote(this.#word)}`);
  }

  #name(what: string): EmfWord {
    const word = this.#word;
    if (word.kind !== 'name') refuseAt(word, `${what} is missing before ${quote(word)}`);
    this.#index += 1;
    return word;
  }

  #nested<Result>(body: () => Result): Result {
    this.#depth += 1;
    if (this.#depth > EMF_DEPTH_MAX) {
      refuseAt(this.#word, `statements and parentheses are nested at most ${EMF_DEPTH_MAX} deep`);
    }
    const result = body();
    this.#depth -= 1;
    return result;
  }
}

function constant(at: EmfWord, { type, value }: EmfValue): Operand {
  return { type, at, value: () => value };
}

/** A subsystem's text without its version. */
function ownerAndName(at: EmfWord): string {
  const match = /^([A-Z0-9-]{1,8}\.[A-Z0-9-]{1,10})(?:\.[A-Z0-9]{1,3})?$/.exec(at.text);
  if (match?.[1] === undefined) refuseAt(at, `${quote(at)} is no subsystem`);
  return match[1];
}

/** Texts are compared without the blanks at their ends, which fill up the fields of a buffer. */
function compare(left: EmfValue['value'], right: EmfValue['value']): number {
  const [one, other] = [left, right].map((value) =>
    typeof value === 'string' ? value.trimEnd() : Number(value),
  );
  if (one === undefined || other === undefined || one === other) return 0;
  return one < other ? -1 : 1;
}

function quote({ kind, text }: EmfWord): string {
  return kind === 'end' ? 'the end' : JSON.stringify(text.slice(0, 40));
}
