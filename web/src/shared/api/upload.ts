/** Files on their way to the server, with progress and an end at any time. Promises: an Attachment, or a thrown Problem as from every other call. */
import { BASE, call, Problem, type FieldProblem } from './http'
import type { Attachment, Limits } from './types'

interface Answered {
  code?: string
  detail?: string
  title?: string
  fields?: FieldProblem[]
}

/** `progress` goes from 0 to 1. `fetch` cannot tell how much of a body has left, so this is XMLHttpRequest. */
export function upload(file: File, progress: (part: number) => void, signal: AbortSignal): Promise<Attachment> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    const form = new FormData()
    form.append('file', file, file.name)
    request.open('POST', `${BASE}/attachments`)
    request.setRequestHeader('accept', 'application/json')
    request.upload.onprogress = (event) => progress(event.lengthComputable ? event.loaded / event.total : 0)
    request.onload = () => {
      const answer = read(request.responseText)
      if (request.status === 201 && answer) return resolve(answer as unknown as Attachment)
      const problem = (answer ?? {}) as Answered
      const text = problem.detail ?? problem.title ?? ''
      reject(new Problem(request.status, problem.code ?? `http_${request.status}`, text, problem.fields ?? []))
    }
    request.onerror = () => reject(new Problem(0, 'offline', ''))
    request.onabort = () => reject(new Problem(0, 'aborted', ''))
    signal.addEventListener('abort', () => request.abort())
    request.send(form)
  })
}

function read(text: string): object | null {
  try {
    return JSON.parse(text) as object
  } catch {
    return null
  }
}

export const files = {
  limits: () => call<Limits>('GET', '/attachments/limits'),
  remove: (id: string) => call<undefined>('DELETE', `/attachments/${id}`),
  shrink: (id: string, numberId: string) =>
    call<Attachment>('POST', `/attachments/${id}/shrink`, { number_id: numberId }),
  fetchAgain: (id: string) => call<Attachment>('POST', `/attachments/${id}/fetch`, {}),
}

export const contentOf = (file: { id: string }): string => `${BASE}/attachments/${file.id}/content`
export const previewOf = (file: { id: string }): string => `${BASE}/attachments/${file.id}/preview`
