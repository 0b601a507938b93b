import type { EventType, RegistryEvent } from '../event.ts'
import type { FileVerdict } from './compiled-trigger.ts'

/** A file that an event names. */
export type FileNeed = {
  uri: string
  /** The hash that the chain has for it; `null` where it has none, or zeros. */
  hash: string | null
}

const uriFields = {
  Registered: ['token_uri', undefined],
  URIUpdated: ['token_uri', undefined],
  NewFeedback: ['file_uri', 'file_hash'],
  ResponseAppended: ['response_uri', 'response_hash'],
  ValidationRequest: ['request_uri', 'request_hash'],
  ValidationResponse: ['response_uri', 'response_hash'],
} as const

/** Whether events of this type name a file. */
export function namesFile(eventType: EventType): eventType is keyof typeof uriFields {
  return Object.hasOwn(uriFields, eventType)
}

/** The file that an event names; `undefined` where it names none. */
export function fileNeedOf(event: RegistryEvent): FileNeed | undefined {
  if (!namesFile(event.event_type)) return undefined
  const [uriField, hashField] = uriFields[event.event_type]
  const uri = event[uriField]?.trim() ?? ''
  if (uri === '') return undefined
  const hash = hashField === undefined ? null : (event[hashField]?.toLowerCase() ?? null)
  return { uri, hash: hash === null || /^0x0*$/.test(hash) ? null : hash }
}

/** What is known of the file of an event that names none. No content condition holds for it. */
export const noFile: FileVerdict = {
  status: 'failed',
  error: 'the event names no file',
  hash: 'unavailable',
}
