/** Bugs in what is heard of hosts and in the queue of their requests, planted in the source (source-mutants.ts). */
import type { ListedMutant } from './source-mutants.ts';

export const EMS: readonly ListedMutant[] = [
  {
    name: 'ems-continuation-lost',
    what: 'the continuation lines of an event are dropped',
    scenario: 'mounts',
    patch: {
      file: 'src/ems/printing-distributor.ts',
      from: 'const text = cleanText(`${event.text} ${line}`);',
      to: 'const text = event.text;',
    },
  },
  {
    name: 'ems-words-joined',
    what: 'a continuation line is joined to the word before it without a blank',
    scenario: 'mounts',
    patch: {
      file: 'src/ems/printing-distributor.ts',
      from: 'cleanText(`${event.text} ${line}`)',
      to: 'cleanText(`${event.text}${line.trim()}`)',
    },
  },
  {
    name: 'ems-padding-unseen',
    what: 'blanks that were printed of a text are forgotten',
    scenario: 'policy-cleanup',
    patch: {
      file: 'src/ems/printing-distributor.ts',
      from: 'return /^ | {2}| $/.test(text);',
      to: 'return false;',
    },
  },
  {
    name: 'ems-mark-unheard',
    what: 'the answer to a timing mark is not heard',
    scenario: 'policy-cleanup',
    patch: {
      file: 'src/ems/telnet-lines.ts',
      from: "return { kind: 'timing-mark' };",
      to: 'return undefined;',
    },
  },
  {
    name: 'ems-device-lost',
    what: 'the device that a request names is not read',
    scenario: 'mounts',
    patch: {
      file: 'src/ems/zsvr-events.ts',
      from: 'if (value === undefined) continue;',
      to: "if (value === undefined || name === 'device') continue;",
    },
  },
  {
    name: 'ems-position-ahead',
    what: 'how far the host was heard is kept before that was dealt with',
    scenario: 'mounts',
    patch: {
      file: 'src/server/ems-keeper.ts',
      from: 'await this.#handled;\n      try',
      to: 'try',
    },
  },
  {
    name: 'ems-held-position',
    what: 'the position is kept while replayed events are held back',
    scenario: 'mounts',
    patch: {
      file: 'src/server/ems-keeper.ts',
      from: 'if (this.#held !== undefined && this.#held.length > 0) return;',
      to: 'if (this.#held === this.#stateSinceMs) return;',
    },
  },
  {
    name: 'ems-ring-lost',
    what: 'whether a request asks for a ring is not read',
    scenario: 'mounts',
    patch: {
      file: 'src/ems/zsvr-events.ts',
      from: 'const values: Record<string, string | number | boolean> = { ...fixed };',
      to: 'const values: Record<string, string | number | boolean> = { ...fixed, ring: true };',
    },
  },
  {
    name: 'ems-seconds-lost',
    what: 'the seconds of an event are not read',
    scenario: 'mounts',
    patch: {
      file: 'src/ems/printing-distributor.ts',
      from: 'civilTimeMs({ year, month, day, hour, minute, second })',
      to: 'civilTimeMs({ year, month, day, hour, minute, second: second % 10 })',
    },
  },
  {
    name: 'ems-long-text-dropped',
    what: 'an event of more than 51 characters is dropped',
    scenario: 'policy-cleanup',
    patch: {
      file: 'src/ems/printing-distributor.ts',
      from: 'text.length <= EVENT_TEXT_CHARS_MAX\n            ?',
      to: 'text.length <= EVENT_TEXT_CHARS_MAX / 80\n            ?',
    },
  },
  {
    name: 'ems-half-line',
    what: 'half a line that the host stops in is taken for a whole one',
    scenario: 'mounts',
    patch: {
      file: 'src/ems/tacl-session.ts',
      from: 'const last = this.#parser.pending;\n',
      to: 'effects.push(...this.#endLine(this.#reader.pending)), this.#reader.useUp();\nconst last = this.#parser.pending;\n',
    },
  },
  {
    name: 'ems-ended-answered',
    what: 'a request that is replayed with its end is answered',
    scenario: 'mounts',
    patch: {
      file: 'src/server/ems-keeper.ts',
      from: 'of withoutEndedRequests(held ?? [])',
      to: 'of held ?? []',
    },
  },
  {
    name: 'ems-heard-twice',
    what: 'what comes again after a loss of the session is taken for new',
    scenario: 'mounts',
    patch: {
      file: 'src/server/ems-keeper.ts',
      from: 'if (index < 0) this.#deliver(event);',
      to: 'if (index < 0 || known.length > 0) this.#deliver(event);',
    },
  },
  {
    name: 'ems-unquoted-early',
    what: 'a command without quotes is taken before its last line has come',
    scenario: 'policy-cleanup',
    patch: {
      file: 'src/ems/tacl-session.ts',
      from: 'if (isPolicyText(last.text) && !endsQuoted(last.text)) {',
      to: "if (isPolicyText(last.text) && last.text === '') {",
    },
  },
  {
    name: 'ems-any-node',
    what: "requests of another node's are answered",
    scenario: 'mounts',
    patch: {
      file: 'src/server/ems-keeper.ts',
      from: 'line.process === ZSVR_PROCESS && line.node === host',
      to: 'line.process === ZSVR_PROCESS',
    },
  },
  {
    name: 'ems-any-process',
    what: 'what another process writes in the form of a request is answered',
    scenario: 'mounts',
    patch: {
      file: 'src/server/ems-keeper.ts',
      from: 'line.process === ZSVR_PROCESS && line.node === host',
      to: 'line.node === host',
    },
  },
  {
    name: 'ems-life-unheeded',
    what: 'a session on which no sign of life comes is kept',
    scenario: 'mounts',
    patch: {
      file: 'src/server/ems-connection.ts',
      from: 'this.end(`no sign of life within ${KEEP_ALIVE_ANSWER_MS / SECOND_MS} s`);',
      to: '',
    },
  },
  {
    name: 'filter-less-equal',
    what: 'a filter takes what is less for equal',
    scenario: 'mounts',
    patch: {
      file: 'src/ems/emf-filter.ts',
      from: "'=': (order) => order === 0,",
      to: "'=': (order) => order < 0,",
    },
  },
  {
    name: 'filter-first-alone',
    what: 'of the statements of a filter only the first counts',
    scenario: 'mounts',
    patch: {
      file: 'src/ems/emf-filter.ts',
      from: 'if (verdict !== undefined) return verdict;',
      to: 'return verdict;',
    },
  },
  {
    name: 'ems-silence-unasked',
    what: 'a host that has fallen silent is not asked for a sign of life',
    scenario: 'troubled-host',
    patch: {
      file: 'src/server/ems-connection.ts',
      from: "this.#session.state !== 'ready' || keepAliveMs === 0",
      to: "this.#session.state !== 'ready' || keepAliveMs > 0",
    },
  },
  {
    name: 'ems-vaults-ignored',
    what: 'a host may mount the tapes of any vault',
    scenario: 'looping-host',
    patch: {
      file: 'src/server/mount-queue.ts',
      from: 'this.#parameters(host).vaults?.includes(tape.vault) !== false',
      to: 'this.#parameters(host).vaults?.includes(tape.vault) !== null',
    },
  },
];

export const MOUNTS: readonly ListedMutant[] = [
  {
    name: 'queue-put-back-anywhere',
    what: 'a request that waits again after its mount is answered on any device',
    scenario: 'mounts',
    patch: {
      file: 'src/server/mount-queue.ts',
      from: 'device: drive?.device,',
      to: 'device: undefined,',
    },
  },
  {
    name: 'queue-keeps-tape',
    what: 'a tape that was kept for a request is never free again',
    scenario: 'mounts',
    patch: {
      file: 'src/server/mount-locks.ts',
      from: 'if (!open.some((mount) => mount.tape === tape)) this.#options.busyTapes.delete(tape);',
      to: '',
    },
  },
  {
    name: 'queue-no-delay',
    what: 'the delay before a mount is not kept',
    scenario: 'mounts',
    patch: {
      file: 'src/server/mount-queue.ts',
      from: 'if (this.#delayLeftMs(request) > 0) {',
      to: 'if (this.#delayLeftMs(request) > 9e9) {',
    },
  },
  {
    name: 'queue-drop-forgotten',
    what: 'what an operator took out of the queue comes back with what the host says is open',
    scenario: 'mounts',
    patch: {
      file: 'src/server/mount-queue.ts',
      from: 'this.#dropped.add(requestKey(host, requestNumber));',
      to: '',
    },
  },
  {
    name: 'queue-place-lost',
    what: 'a request that waits for another reason than before loses its place',
    scenario: 'mounts',
    patch: {
      file: 'src/catalog/sqlite-catalog.ts',
      from: 'ON CONFLICT (host, requestNumber) DO UPDATE SET tape = excluded.tape,',
      to: 'ON CONFLICT (host, requestNumber) DO UPDATE SET id = (SELECT max(id) + 1 FROM mountRequest), tape = excluded.tape,',
    },
  },
  {
    name: 'queue-unlooked',
    what: 'what waits is not looked at before a request that comes later',
    scenario: 'mounts',
    patch: {
      file: 'src/server/mount-queue.ts',
      from: '// Who came first is served first.\n    await this.look();',
      to: '',
    },
  },
  {
    name: 'queue-taken-lost',
    what: 'a request whose tape the host took for another one is forgotten',
    scenario: 'mounts',
    patch: {
      file: 'src/server/mount-queue.ts',
      from: 'await this.putBack(mount, `tape in use on ${mount.drive}`);',
      to: '',
    },
  },
  {
    name: 'queue-refused-lost',
    what: 'a request whose tape the host gave back is forgotten',
    scenario: 'mounts',
    patch: {
      file: 'src/server/mount-queue.ts',
      from: 'await this.putBack(mount, this.#givenBack.add({ host, requestNumber }, why));',
      to: '',
    },
  },
  {
    name: 'hand-any-ring',
    what: 'a tape mounted by hand satisfies a request that asks for another ring',
    scenario: 'mounts',
    patch: {
      file: 'src/server/mounts.ts',
      from: 'each.ring === ring &&',
      to: '',
    },
  },
  {
    name: 'ems-log-on-hangs',
    what: 'a log-on has no time-out',
    scenario: 'mounts',
    patch: {
      file: 'src/server/ems-connection.ts',
      from: 'this.end(`no answer at log-on within ${responseTimeoutMs / SECOND_MS} s`);',
      to: '',
    },
  },
  {
    name: 'ems-answer-overtaken',
    what: 'what was heard of a request since the host listed it does not count',
    scenario: 'mounts',
    patch: {
      file: 'src/server/outstanding-requests.ts',
      from: 'if (request === undefined || heard.has(requestNumber)) continue;',
      to: 'if (request === undefined) continue;',
    },
  },
  {
    name: 'busy-after-failure',
    what: 'a tape whose mount failed stays kept for it',
    scenario: 'mounts',
    patch: {
      file: 'src/server/mounts.ts',
      from: 'this.#busyTapes.delete(tape.name);\n      this.#autocopy.wake();\n      throw error;',
      to: 'throw error;',
    },
  },
  {
    name: 'queue-over-kept',
    what: 'a request that the host says is not open any more is kept',
    scenario: 'mounts',
    patch: {
      file: 'src/server/outstanding-requests.ts',
      from: 'await this.#mounts.requestIsOver(request);',
      to: '',
    },
  },
];
