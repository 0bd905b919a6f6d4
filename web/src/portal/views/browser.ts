/** What a browser calls itself, in two words. */
const BROWSERS: [RegExp, string][] = [
  [/Edg\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/Firefox\//, 'Firefox'],
  [/Chrom(?:e|ium)\//, 'Chrome'],
  [/Safari\//, 'Safari'],
]
const SYSTEMS: [RegExp, string][] = [
  [/iPhone|iPad/, 'iOS'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/Mac OS X/, 'macOS'],
  [/Linux|X11/, 'Linux'],
]

/** "Firefox, Windows"; the first word of an agent that is no browser; empty for none. */
export function browserOf(agent: string): string {
  const first = (known: [RegExp, string][]) => known.find(([pattern]) => pattern.test(agent))?.[1]
  const [browser, system] = [first(BROWSERS), first(SYSTEMS)]
  if (!browser) return agent.split(/[\s/]/)[0] ?? ''
  return system ? `${browser}, ${system}` : browser
}
