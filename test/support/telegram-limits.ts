/** What Telegram takes: 30 messages a second of a bot, 1 a second to a chat (with a short burst), 20 a minute to a group. */
export function createTelegramLimits() {
  const ofBot: number[] = []
  const chats = new Map<string, { tokens: number; at: number; minute: number[]; refusedUntil: number }>()

  /** Seconds to wait, as a 429 names them; `undefined`: the message is taken. */
  return (chatId: string, now: number): number | undefined => {
    const chat = chats.get(chatId) ?? { tokens: 2, at: now, minute: [], refusedUntil: 0 }
    chats.set(chatId, chat)
    const refuse = (seconds: number) => {
      chat.refusedUntil = now + seconds * 1000
      return seconds
    }
    if (now < chat.refusedUntil) return Math.ceil((chat.refusedUntil - now) / 1000)

    while (ofBot.length > 0 && now - (ofBot[0] as number) >= 950) ofBot.shift()
    if (ofBot.length >= 30) return refuse(1)
    while (chat.minute.length > 0 && now - (chat.minute[0] as number) >= 60_000) chat.minute.shift()
    if (chatId.startsWith('-') && chat.minute.length >= 20) {
      return refuse(Math.ceil((60_000 - (now - (chat.minute[0] as number))) / 1000))
    }
    // One more than the rate, for messages that were a second apart when they were sent.
    const tokens = Math.min(2, chat.tokens + (now - chat.at) / 1000)
    if (tokens < 1) return refuse(1)
    chat.tokens = tokens - 1
    chat.at = now
    chat.minute.push(now)
    ofBot.push(now)
    return undefined
  }
}
