import { createSecretBox } from '../../src/secret-box.ts'
import { parseSecretKeys } from '../../src/secret-keys.ts'

/** What TOCSIN_SECRET_KEYS is in tests that start processes and look at what they store. */
export const testSecretKeys = `test:${Buffer.alloc(32, 7).toString('base64')}`

export const testSecrets = createSecretBox(parseSecretKeys(testSecretKeys))
