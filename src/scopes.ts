/** What a credential may do. Each route names the one that it needs. docs/accounts.md says what each lets. */
export const scopes = [
  'triggers:read',
  'triggers:write',
  'events:read',
  'deliveries:read',
  'deliveries:write',
  'admin',
  'account',
] as const

export type Scope = (typeof scopes)[number]

/** Those that an API key can have. `account` (keys, password, wallets, deletion) is for whoever signed in. */
export const keyScopes: readonly Scope[] = scopes.filter((scope) => scope !== 'account')
