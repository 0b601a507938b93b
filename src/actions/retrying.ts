import { z } from 'zod'
import { integer, pause } from '../document-schema.ts'

/** Enough for an outage of a night with the default pauses. */
const attemptsMaxDefault = 8

const pausesExpected = 'expected a list of 1 to 19 pauses, such as ["5s", "5m", "2h"]'

/** How often and when a delivery is tried: the options that every action has. */
export const retryingShape = {
  max_attempts: integer(1, 20)
    .optional()
    .meta({ description: `${attemptsMaxDefault}, or one more than retry_schedule has pauses, unless given` }),
  retry_schedule: z
    .array(pause(), { error: pausesExpected })
    .min(1, { error: pausesExpected })
    .max(19, { error: pausesExpected })
    .optional(),
}

/** Fills in `max_attempts`. */
export function withAttempts<
  Config extends { max_attempts?: number | undefined; retry_schedule?: string[] | undefined },
>({ max_attempts, retry_schedule, ...config }: Config) {
  return {
    ...config,
    max_attempts:
      max_attempts ?? (retry_schedule === undefined ? attemptsMaxDefault : retry_schedule.length + 1),
    ...(retry_schedule === undefined ? {} : { retry_schedule }),
  }
}
