/** The routes of a session: log on, see who one is, log off. */
import type { Hono } from 'hono';
import { z } from 'zod';
import type { Clock } from '../ports/clock.ts';
import type { Principal } from '../server/access.ts';
import { parseParameters } from '../server/operations/parameters.ts';
import type { ApiEnv, Gate } from './gate.ts';
import { readJson } from './json.ts';
import { API_PREFIX } from './routes.ts';

const USER_CHARS_MAX = 64;
const PASSWORD_CHARS_MAX = 1024;

export const logonSchema = z.strictObject({
  user: z.string().min(1).max(USER_CHARS_MAX),
  password: z.string().min(1).max(PASSWORD_CHARS_MAX),
  /** Whether a browser keeps the token as a cookie; it does not stand in the answer then. */
  cookie: z.boolean().default(false),
});

export const sessionSchema = z.object({
  user: z.string(),
  group: z.string(),
  rights: z.array(z.string()),
  /** All where it is missing. */
  vaults: z.array(z.string()).optional(),
  token: z.string().optional(),
  expiresAtMs: z.int().optional(),
});

type SessionAnswer = z.infer<typeof sessionSchema>;

function answerOf({ user, group, rights, vaults }: Principal): SessionAnswer {
  return {
    user,
    group,
    rights: [...rights].toSorted(),
    ...(vaults !== 'all' && { vaults: [...vaults].toSorted() }),
  };
}

export function addSessionRoutes(app: Hono<ApiEnv>, gate: Gate, clock: Pick<Clock, 'nowMs'>): void {
  const path = `${API_PREFIX}/session`;
  app.post(path, async (context) => {
    const given = (await readJson(context)) ?? {};
    const { user, password, cookie } = parseParameters('the log-on', logonSchema, given);
    const { token, expiresAtMs, principal } = await gate.logOn(context, user, password);
    const answer = { ...answerOf(principal), expiresAtMs };
    if (!cookie) return context.json({ ...answer, token }, 201);
    gate.setCookie(context, token, expiresAtMs - clock.nowMs());
    return context.json(answer, 201);
  });
  app.get(path, async (context) => context.json(answerOf(await gate.principalOf(context))));
  app.delete(path, async (context) => {
    await gate.principalOf(context);
    await gate.logOff(context);
    return context.body(null, 204);
  });
}
