/** What a credential may do. Each route names the one that it needs. */
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

export const scopeMeanings: Record<Scope, string> = {
  'triggers:read': 'triggers, Telegram chats, and for which agents there are MCP tokens',
  'triggers:write': 'change these, test triggers, preview templates',
  'events:read': 'events, agents, counts and the progress of chains',
  'deliveries:read': 'matches, deliveries, attempts, destinations and alerts',
  'deliveries:write': 'retry and cancel deliveries, change destinations and their signing secrets',
  admin: 'the installation: only for administrators',
  account: 'the account itself: keys, password, wallets, deletion. API keys cannot have it',
}
