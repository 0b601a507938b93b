import { headerValueExpected, isHeaderValue, type RestActionConfig } from './actions/rest.ts'
import { PermanentError } from './errors.ts'
import { type DeliveryScope, renderText } from './render-template.ts'
import { TemplateError } from './templates/describe-template-error.ts'

/** What servers commonly take as the first line of a request. */
const urlLengthMax = 16_384

/**
 * The URL of a request: what `query` makes is added to the query that the URL has itself. Nothing in it can change the path or
 * add another parameter, because names and values are percent-encoded.
 *
 * @throws PermanentError when a template cannot be rendered, or the URL gets too long.
 */
export function renderUrl(config: Pick<RestActionConfig, 'url' | 'query'>, scope: DeliveryScope): string {
  const parameters = Object.entries(config.query ?? {})
  if (parameters.length === 0) return config.url
  const rendered = parameters.map(([name, value]): [string, string] => [
    name,
    renderText(value, scope, { escape: 'none', path: `query.${name}` }),
  ])
  const url = new URL(config.url)
  const added = new URLSearchParams(rendered).toString()
  // The URL's own query stays as it was written.
  url.search = url.search === '' ? added : `${url.search}&${added}`
  if (url.href.length > urlLengthMax) {
    throw new PermanentError(`the URL with its query has more than ${urlLengthMax} characters`)
  }
  return url.href
}

/**
 * The headers of a request, their names in lower case.
 *
 * @throws PermanentError that names the header, and never says its value, when it would not be one line of ASCII.
 */
export function renderHeaders(
  headers: Readonly<Record<string, string>>,
  scope: DeliveryScope,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, template]) => {
      const path = `headers.${name}`
      const value = renderText(template, scope, { escape: 'none', path })
      if (!isHeaderValue(value)) throw new TemplateError(path, headerValueExpected)
      return [name.toLowerCase(), value]
    }),
  )
}
