/** Imports point inward: edges use shared code, shared code uses no edge, and edges do not use each other. */
const edges = {
  indexer: '^(indexer/|ponder\\.config\\.ts)',
  worker: '^worker/',
  api: '^src/api/',
  bot: '^src/bot/',
  cli: '^src/(cli\\.ts|commands/)',
}

export default {
  forbidden: [
    ...Object.entries(edges).map(([name, path]) => ({
      name: `${name}-is-an-edge`,
      comment: `Only ${name} itself, tests, benchmarks and the simulator import from it. Roles are started as processes.`,
      severity: 'error',
      // The generator of the client reads the description of the API.
      from: { pathNot: `${path}|^(test|bench|bin|sim)/|^src/dev/generate-client\\.ts$` },
      to: { path },
    })),
    {
      name: 'conditions-are-pure',
      comment:
        'src/conditions decides from what it is given: it uses the event glossary, hashes, and the languages of conditions.',
      severity: 'error',
      from: { path: '^src/conditions/' },
      to: {
        pathNot:
          '^(src/(conditions/|event\\.ts)|crypto$|node_modules/(@marcbachmann/cel-js|jsonpath-rfc9535)/)',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'only-store-reads-sql',
      comment: 'Queries have names and types in src/store.',
      severity: 'error',
      from: { pathNot: '^src/store/' },
      to: { path: '^src/store/query\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'only-http-opens-addresses',
      comment: 'worker/http.ts, with its guard, is the one place that opens addresses which users name.',
      severity: 'error',
      from: { path: '^(src|worker)/', pathNot: '^worker/(http\\.ts$|guard/)' },
      to: { path: '(^|node_modules/)undici' },
    },
    {
      name: 'dev-tools-stay-outside',
      comment:
        'What runs in production uses src/dev only to start the embedded Postgres; the demo is a command.',
      severity: 'error',
      from: { path: '^(indexer|worker|src/api|src/bot|src/store|src/conditions)/' },
      to: { path: '^src/dev/' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^indexer/generated' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
}
