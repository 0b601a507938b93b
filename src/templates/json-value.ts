export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

/** `{"$value": "event.response"}` in a template stands for the value itself, where a string would make text of it. */
export const valueKey = '$value'
