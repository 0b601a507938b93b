// Beside the page and not in it: its Content-Security-Policy lets no inline script run.
globalThis.SwaggerUIBundle({
  dom_id: '#page',
  url: 'openapi.json',
  // Asks nobody outside whether the description is valid.
  validatorUrl: null,
  deepLinking: true,
  displayOperationId: true,
  displayRequestDuration: true,
  docExpansion: 'list',
  filter: true,
  defaultModelsExpandDepth: 0,
})
