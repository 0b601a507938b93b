import { query } from './query.ts'

/** Parameters: chain, agent, address of the identity registry in lower case. `uri` is empty for an agent that has none. */
export const readAgentUri = query<{ uri: string | null }>('deliver/read-agent-uri')
