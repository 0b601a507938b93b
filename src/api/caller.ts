import type { Database } from '../db.ts'
import type { Scope } from '../scopes.ts'

/** Who sent a request, and what the credential that came with it may do. */
export type Caller = {
  userId: string
  /** operator: the installation's own token. session: an access token after a sign-in. key: an API key. */
  kind: 'operator' | 'session' | 'key'
  scopes: readonly Scope[]
  /** Of a session: the family of its refresh tokens. */
  sessionId?: string | undefined
  /** Of an API key. */
  keyId?: string | undefined
}

/** What routes find in their context. Where nobody has to say who they are, there is neither caller nor database. */
export type ApiEnv = {
  Variables: {
    caller: Caller
    /** The pattern of the path of its route; not there before it is authorized. */
    route?: string | undefined
    /** What the answer and every line of the log about the request name it by. */
    requestId: string
    /** The database as the caller may see it. */
    db: Database
    /** As the owner of the tables, for accounts and the installation. Who changes something is in the audit log, as with `db`. */
    owner: Database
  }
}
