/**
 * What a form holds. Promises: what was typed stays until it is saved or given up; an error stands at its field until that field changes; while it is
 * being saved nothing is sent a second time.
 */
import { Problem, type FieldProblem } from '../../shared/api/http'
import { wordsOf } from '../words'

export class Form<T extends object> {
  values = $state() as T
  busy = $state(false)
  failed = $state<string | null>(null)
  /** The code of the refusal, for forms that react to one. */
  code = $state<string | null>(null)
  private saved = $state.raw() as T
  private problems = $state.raw<FieldProblem[]>([])
  private refused = $state.raw<Record<string, unknown>>({})

  constructor(initial: T) {
    this.saved = copy(initial)
    this.values = copy(initial)
  }

  readonly dirty = $derived.by(() => differs(this.values, this.saved))

  /** What differs from what is saved: the body of a PATCH. */
  changes(): Partial<T> {
    const now = copy(this.values)
    return Object.fromEntries(
      Object.entries(now).filter(([name, value]) => differs(value, this.saved[name as keyof T])),
    ) as Partial<T>
  }

  /** What is wrong with a field, while it still says what was refused. */
  error(field: string): string | null {
    const problem = this.problems.find((one) => one.field === field)
    return problem && !differs(read(this.values, field), this.refused[field]) ? problem.text : null
  }

  /** What is wrong with fields that the form does not show. */
  elsewhere(shown: readonly string[]): string[] {
    return this.problems.filter((one) => !shown.includes(one.field) && one.text !== this.failed).map((one) => one.text)
  }

  /** Send it by `send`; answers whether that worked. */
  async submit(send: () => Promise<unknown>): Promise<boolean> {
    if (this.busy) return false
    this.busy = true
    this.failed = this.code = null
    this.problems = []
    try {
      await send()
      return true
    } catch (error) {
      this.failed = wordsOf(error)
      if (error instanceof Problem) {
        this.code = error.code
        this.problems = error.fields
        this.refused = Object.fromEntries(error.fields.map((one) => [one.field, copy(read(this.values, one.field))]))
      }
      return false
    } finally {
      this.busy = false
    }
  }

  /** Take `values` as what is saved; without them, give up what was typed. */
  reset(values: T = this.saved): void {
    this.saved = copy(values)
    this.values = copy(values)
    this.failed = this.code = null
    this.problems = []
  }
}

/** `credentials.account_key` of {credentials: {account_key: …}}. */
function read(values: unknown, field: string): unknown {
  return field
    .split('.')
    .reduce<unknown>(
      (at, name) => (at && typeof at === 'object' ? (at as Record<string, unknown>)[name] : undefined),
      values,
    )
}

function copy<V>(value: V): V {
  return value === undefined ? value : (JSON.parse(JSON.stringify(value)) as V)
}

function differs(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) !== JSON.stringify(other)
}
