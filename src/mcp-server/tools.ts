/** A tool is a route of the API under another name. What it takes is read from the route's own description. */
export type ToolEntry = {
  name: string
  method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** As in the API's description. */
  path: string
  /** For whoever chooses and fills in a tool; comes after the route's summary. */
  hint?: string
  /** The whole body under one name, instead of its fields beside the parameters. */
  bodyAs?: string
  /** Parameters that make no sense here. */
  omit?: readonly string[]
  /** What is sent where nothing is given; for answers that a model can read whole. */
  defaults?: Readonly<Record<string, unknown>>
  /** Lines of progress come before the answer. */
  reportsProgress?: boolean
  annotations: {
    readOnlyHint: boolean
    destructiveHint: boolean
    idempotentHint: boolean
    /** Reaches systems beyond this one. */
    openWorldHint: boolean
  }
}

const reads = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false }
const adds = { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false }
const sets = { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false }
const overwrites = { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false }
/** Messages go out, and cannot be taken back. */
const sends = { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true }

/** Complete, and what a first trigger looks like. */
export const exampleTrigger = {
  name: 'Agent 42 is rated low',
  chain_id: 8453,
  registry: 'reputation',
  conditions: [
    { condition_type: 'agent_id_equals', value: 42 },
    { condition_type: 'score_threshold', operator: '<', value: 70 },
  ],
  cooldown: { period: '1h', scope: 'agent' },
  actions: [
    {
      action_type: 'rest',
      config: {
        url: 'https://hooks.example.com/alerts',
        body_template: { text: 'Agent {{ event.agent_id }} got {{ event.score }}' },
      },
    },
  ],
}

const documentHint = `A trigger is for one chain and one registry: when all its conditions hold for an event, its actions run.
- registry identity has the events Registered, MetadataSet, URIUpdated, Transfer; reputation: NewFeedback, FeedbackRevoked, ResponseAppended; validation: ValidationRequest, ValidationResponse. A condition names fields that some event of the registry has. No condition: every event.
- Stateless conditions: event_type_equals, agent_id_equals, owner_equals, metadata_key_equals, tag_equals, client_whitelist, validator_whitelist (operator "in" with a list), score_threshold and response_threshold (operator < <= > >= = !=, which must be given), file_uri_exists; expression (value is CEL, such as "event.score < 20.0 || event.tag1 == 'uptime'").
- Conditions that remember: ema_threshold, distinct_count, sum_threshold, rate_limit, change, sequence, absence. Settings of theirs are in config, such as {"condition_type":"distinct_count","field":"client_address","value":5,"config":{"time_window":"1h","scope":"agent"}}.
- Actions: rest (config.url), telegram (config.chat_id of a linked chat), mcp (config.tool_name of an agent's MCP server). Texts in body_template, message_template and arguments_template are Liquid with event, trigger, match and delivery.
- Times are texts such as 30s, 5m, 2h. cooldown and max_fires hold back what would fire too often.
The resource tocsin://docs/triggers says everything. Try the document with backtest_trigger and preview_template first; nothing is stored or sent by them.
Example: ${JSON.stringify(exampleTrigger)}`

const page = { limit: 20 }

/** Every tool, in the order in which they are listed. */
export const tools: readonly ToolEntry[] = [
  { name: 'read_me', method: 'get', path: '/v1/me', annotations: reads },
  {
    name: 'read_chains',
    method: 'get',
    path: '/v1/chains',
    hint: 'How far each chain has been read, and how far triggers have been decided.',
    annotations: reads,
  },
  {
    name: 'list_events',
    method: 'get',
    path: '/v1/events',
    hint: 'Page with cursor = next_cursor of the answer before.',
    omit: ['format'],
    defaults: page,
    annotations: reads,
  },
  { name: 'list_agents', method: 'get', path: '/v1/agents', defaults: page, annotations: reads },
  {
    name: 'read_agent',
    method: 'get',
    path: '/v1/agents/{chain}/{agent}',
    hint: 'chain is a chain id, agent the id of the agent on it.',
    annotations: reads,
  },
  { name: 'read_stats', method: 'get', path: '/v1/stats', annotations: reads },
  { name: 'list_triggers', method: 'get', path: '/v1/triggers', defaults: page, annotations: reads },
  { name: 'read_trigger', method: 'get', path: '/v1/triggers/{id}', annotations: reads },
  {
    name: 'create_trigger',
    method: 'post',
    path: '/v1/triggers',
    hint: documentHint,
    bodyAs: 'trigger',
    annotations: { ...adds, openWorldHint: true },
  },
  {
    name: 'replace_trigger',
    method: 'put',
    path: '/v1/triggers/{id}',
    hint: 'Takes the whole document: read it with read_trigger, change it, and send it back. What was read besides the document may stay in. Header values that read "***" keep what is stored. If its etag is sent along, it is refused when somebody changed the trigger meanwhile. The document is explained at create_trigger.',
    bodyAs: 'trigger',
    annotations: { ...overwrites, openWorldHint: true },
  },
  {
    name: 'enable_trigger',
    method: 'post',
    path: '/v1/triggers/{id}/enable',
    annotations: { ...sets, openWorldHint: true },
  },
  { name: 'disable_trigger', method: 'post', path: '/v1/triggers/{id}/disable', annotations: sets },
  { name: 'duplicate_trigger', method: 'post', path: '/v1/triggers/{id}/duplicate', annotations: adds },
  { name: 'delete_trigger', method: 'delete', path: '/v1/triggers/{id}', annotations: overwrites },
  {
    name: 'backtest_trigger',
    method: 'post',
    path: '/v1/triggers/backtest',
    hint: 'Says how often a trigger (a document as in create_trigger, or a stored one by trigger_id) would have fired over the last 30 days or the range that is given. A document that is wrong is answered with everything that is wrong in it, so this also validates.',
    defaults: { limit: 5 },
    reportsProgress: true,
    annotations: reads,
  },
  {
    name: 'preview_template',
    method: 'post',
    path: '/v1/templates/preview',
    hint: 'Give an action as in a trigger document, or a template with a mode; and event_id, event_type or trigger_id for the event.',
    annotations: reads,
  },
  {
    name: 'test_trigger',
    method: 'post',
    path: '/v1/triggers/{id}/test',
    hint: 'Really sends, marked as a test. With wait the answer has the first attempts.',
    defaults: { wait: 10 },
    annotations: sends,
  },
  {
    name: 'explain_decision',
    method: 'get',
    path: '/v1/triggers/{id}/decisions',
    hint: 'With event = the id of an event: why the trigger did or did not fire for it, condition by condition. Without: the events that could not be decided.',
    defaults: page,
    annotations: reads,
  },
  {
    name: 'read_trigger_state',
    method: 'get',
    path: '/v1/triggers/{id}/state',
    defaults: page,
    annotations: reads,
  },
  {
    name: 'list_matches',
    method: 'get',
    path: '/v1/matches',
    hint: 'A match is the decision that a trigger fires, with its evidence.',
    defaults: page,
    annotations: reads,
  },
  {
    name: 'list_deliveries',
    method: 'get',
    path: '/v1/deliveries',
    hint: 'A delivery is one action for one match. state=failed and state=unknown need somebody.',
    defaults: page,
    annotations: reads,
  },
  { name: 'read_delivery', method: 'get', path: '/v1/deliveries/{id}', annotations: reads },
  { name: 'list_attempts', method: 'get', path: '/v1/results', defaults: page, annotations: reads },
  { name: 'retry_delivery', method: 'post', path: '/v1/deliveries/{id}/retry', annotations: sends },
  { name: 'retry_deliveries', method: 'post', path: '/v1/deliveries/retry', annotations: sends },
  { name: 'cancel_delivery', method: 'post', path: '/v1/deliveries/{id}/cancel', annotations: overwrites },
  {
    name: 'list_destinations',
    method: 'get',
    path: '/v1/destinations',
    hint: 'Where deliveries go: limits, and whether the breaker is open because calls failed.',
    defaults: page,
    annotations: reads,
  },
  { name: 'read_destination', method: 'get', path: '/v1/destinations/{id}', annotations: reads },
  { name: 'change_destination', method: 'patch', path: '/v1/destinations/{id}', annotations: sets },
  { name: 'reset_destination', method: 'post', path: '/v1/destinations/{id}/reset', annotations: sets },
  { name: 'list_alerts', method: 'get', path: '/v1/alerts', defaults: page, annotations: reads },
]
