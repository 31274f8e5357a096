/** What operations result in, for the description; an operation that is not here may give any JSON. */
import type { z } from 'zod';

export const RESULTS: Readonly<Record<string, z.ZodType>> = {};
