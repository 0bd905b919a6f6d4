// @vitest-environment happy-dom
/** Pages that ask again by themselves: how often, when not, never twice at once. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import { beat } from './live.svelte'

let hidden = false

function show(seen: boolean): void {
  hidden = !seen
  document.dispatchEvent(new Event('visibilitychange'))
}

beforeEach(() => {
  hidden = false
  vi.useFakeTimers()
  vi.spyOn(document, 'hidden', 'get').mockImplementation(() => hidden)
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

test('often while something moves, now and then otherwise, not at all once it is over', async () => {
  const [moving, still] = [vi.fn(() => Promise.resolve()), vi.fn(() => Promise.resolve())]
  const stops = [beat(moving, 'moving'), beat(still, 'still')]
  await vi.advanceTimersByTimeAsync(10_000)
  expect([moving.mock.calls.length, still.mock.calls.length]).toEqual([10, 2])
  stops.forEach((stop) => stop())
  await vi.advanceTimersByTimeAsync(10_000)
  expect([moving.mock.calls.length, still.mock.calls.length]).toEqual([10, 2])
})

test('what moves for long is asked about seldom', async () => {
  const look = vi.fn(() => Promise.resolve())
  const stop = beat(look, 'moving')
  await vi.advanceTimersByTimeAsync(60_000)
  look.mockClear()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(look).toHaveBeenCalledTimes(12)
  stop()
})

test('quiet while hidden, at once when seen again', async () => {
  const look = vi.fn(() => Promise.resolve())
  const stop = beat(look, 'moving')
  show(false)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(look).not.toHaveBeenCalled()
  show(true)
  await vi.advanceTimersByTimeAsync(0)
  expect(look).toHaveBeenCalledTimes(1)
  stop()
})

test('never two questions at once, and a failure is not the end', async () => {
  const answers: ((error: Error) => void)[] = []
  const look = vi.fn(() => new Promise((_, fail) => answers.push(fail)))
  const stop = beat(look, 'moving')
  await vi.advanceTimersByTimeAsync(30_000)
  show(false)
  show(true)
  expect(look).toHaveBeenCalledTimes(1)
  answers[0]?.(new Error('away'))
  await vi.advanceTimersByTimeAsync(1000)
  expect(look).toHaveBeenCalledTimes(2)
  stop()
})
