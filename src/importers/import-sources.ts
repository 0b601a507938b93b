/** The programs whose configurations can be read. */
export const importSources = ['openzeppelin-monitor', 'defender'] as const

export type ImportSource = (typeof importSources)[number]
