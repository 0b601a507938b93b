/** What the demo watches for: trigger documents as a user would write them. */
export function demoTriggers(chainId: number, receiverUrl: string) {
  const webhook = { action_type: 'rest', config: { url: `${receiverUrl}/hooks` } }
  return [
    {
      name: 'A new agent',
      chain_id: chainId,
      registry: 'identity',
      conditions: [{ condition_type: 'event_type_equals', operator: '=', value: 'Registered' }],
      actions: [webhook],
    },
    {
      name: 'A score under 70',
      chain_id: chainId,
      registry: 'reputation',
      conditions: [
        { condition_type: 'event_type_equals', operator: '=', value: 'NewFeedback' },
        { condition_type: 'tag_equals', field: 'tag1', operator: '=', value: 'starred' },
        { condition_type: 'score_threshold', operator: '<', value: 70 },
      ],
      actions: [webhook],
    },
    {
      name: 'Feedback revoked',
      chain_id: chainId,
      registry: 'reputation',
      conditions: [{ condition_type: 'event_type_equals', operator: '=', value: 'FeedbackRevoked' }],
      actions: [webhook],
    },
    {
      name: 'A validation passed',
      chain_id: chainId,
      registry: 'validation',
      conditions: [{ condition_type: 'response_threshold', operator: '>=', value: 80 }],
      actions: [webhook],
    },
  ]
}
