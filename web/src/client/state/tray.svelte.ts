/**
 * The files of drafts: what was picked, dragged or pasted, how far it has come, and what was uploaded. Promises: what is uploaded stays with its
 * draft until it is sent or taken out, over a reload too; a file that failed stays there with its reason until its writer decides.
 */
import * as v from 'valibot'

import { newId, Problem } from '../../shared/api/http'
import type { Attachment, FileRoute, Limits } from '../../shared/api/types'
import { files as api, upload } from '../../shared/api/upload'
import { t } from '../../shared/i18n'
import { holdFiles } from '../../shared/leaving'
import { recall, remember, whenRemembered } from '../../shared/store'

export interface Held {
  key: string
  name: string
  size: number
  /** 0 to 1 while it travels; null when it does not. */
  progress: number | null
  done: Attachment | null
  problem: string
  /** The same upload may work another time. */
  again: boolean
  /** Its bytes, until it is uploaded. */
  file: File | null
  abort: AbortController | null
}

const isAttachment = (value: unknown): value is Attachment =>
  typeof value === 'object' && value !== null && typeof (value as Attachment).id === 'string'
export const AttachmentSchema = v.custom<Attachment>(isAttachment)
const Saved = v.record(v.string(), v.array(AttachmentSchema))
const SHRUNK_SIDE = 2560
const SHRUNK_QUALITY = 0.85

export class Trays {
  held = $state.raw<Readonly<Record<string, readonly Held[]>>>({})
  limits = $state.raw<Limits | null>(null)
  private asked: Promise<void> | null = null
  private readonly store: string
  private readonly deaf: () => void
  /** How to let go of the drafts with files that only this window has. */
  private readonly only = new Map<string, () => void>()
  private ended = false

  constructor(private readonly userId: string) {
    this.store = `kereru.files.${userId}`
    const saved = recall(this.store, Saved, {})
    this.held = Object.fromEntries(Object.entries(saved).map(([key, files]) => [key, files.map(kept)]))
    this.deaf = whenRemembered(this.store, () => this.heard())
  }

  /** What travels stops, and nothing is written down from here on. */
  end(): void {
    this.ended = true
    this.deaf()
    for (const held of Object.values(this.held).flat()) held.abort?.abort()
    for (const letGo of this.only.values()) letGo()
  }

  /** What another window of this browser uploaded, sent or took out; what travels from here goes on. */
  private heard(): void {
    const saved = recall(this.store, Saved, {})
    const drafts = new Set([...Object.keys(saved), ...Object.keys(this.held)])
    const merged = [...drafts].map((draft) => {
      const travelling = this.of(draft).filter((held) => !held.done)
      return [draft, [...(saved[draft] ?? []).map(kept), ...travelling]] as const
    })
    this.held = Object.fromEntries(merged.filter(([, files]) => files.length))
  }

  of(draft: string): readonly Held[] {
    return this.held[draft] ?? []
  }

  ids(draft: string): string[] {
    return this.of(draft).flatMap((held) => held.done?.id ?? [])
  }

  /** P28: asked for once, when somebody first thinks of a file. */
  learn(): Promise<void> {
    this.asked ??= api.limits().then(
      (limits) => void (this.limits = limits),
      // The upload itself will tell.
      () => void (this.asked = null),
    )
    return this.asked
  }

  async add(draft: string, picked: Iterable<File>): Promise<void> {
    await this.learn()
    for (const file of picked) {
      const most = this.limits?.files ?? Infinity
      const key = newId()
      const problem = this.of(draft).length >= most ? t('files.many', { most }) : this.wrong(file)
      this.change(draft, [...this.of(draft), { ...fresh(key, file), problem }])
      if (!problem) void this.send(draft, key)
    }
  }

  /** Why the server would not take it, known before a byte is sent. */
  private wrong(file: File): string {
    const limits = this.limits
    if (!limits) return ''
    const ending = /\.([^.]+)$/.exec(file.name)?.[1]?.toLowerCase() ?? ''
    if (ending && !limits.types.some((type) => type.ending === ending))
      return t('files.type', { endings: limits.types.map((type) => `.${type.ending}`).join(' ') })
    if (file.size === 0) return t('files.empty')
    return file.size > limits.bytes ? t('files.large', { most: sizeOf(limits.bytes) }) : ''
  }

  shrinkable(held: Held): boolean {
    return Boolean(held.file?.type.startsWith('image/') && held.problem && held.file.size > (this.limits?.bytes ?? 0))
  }

  /** A picture that is too large to upload is made smaller here. */
  async shrinkHere(draft: string, key: string): Promise<void> {
    const held = this.find(draft, key)
    if (!held?.file) return
    this.set(draft, key, { problem: '', progress: 0 })
    try {
      const file = await smaller(held.file)
      const problem = this.wrong(file)
      this.set(draft, key, { file, name: file.name, size: file.size, problem, progress: null })
      if (!problem) await this.send(draft, key)
    } catch {
      this.set(draft, key, { problem: t('files.unshrinkable'), progress: null })
    }
  }

  /** An uploaded one that is too large for an MMS is made smaller there. */
  async shrinkThere(draft: string, route: FileRoute, numberId: string): Promise<void> {
    const held = this.of(draft).find((other) => other.done?.id === route.id)
    if (!held) return
    this.set(draft, held.key, { progress: 1 })
    try {
      const done = await api.shrink(route.id, numberId)
      this.set(draft, held.key, { done, name: done.name, size: done.bytes, progress: null })
    } catch (error) {
      this.set(draft, held.key, { progress: null, problem: words(error) })
    }
  }

  async send(draft: string, key: string): Promise<void> {
    const held = this.find(draft, key)
    if (!held?.file) return
    const abort = new AbortController()
    this.set(draft, key, { progress: 0, problem: '', abort })
    try {
      const done = await upload(held.file, (progress) => this.set(draft, key, { progress }), abort.signal)
      // Taken out while it travelled: nobody wants it any more.
      if (!this.find(draft, key)) return void api.remove(done.id).catch(() => undefined)
      this.set(draft, key, { done, name: done.name, size: done.bytes, progress: null, file: null, abort: null })
    } catch (error) {
      if (!abort.signal.aborted)
        this.set(draft, key, {
          progress: null,
          abort: null,
          problem: words(error),
          again: error instanceof Problem && error.passing,
        })
    }
  }

  take(draft: string, key: string): void {
    const held = this.find(draft, key)
    held?.abort?.abort()
    if (held?.done) void api.remove(held.done.id).catch(() => undefined)
    this.change(
      draft,
      this.of(draft).filter((other) => other.key !== key),
    )
  }

  /** All that is uploaded, on its way into the outbox; what could not be uploaded stays. */
  hand(draft: string): Attachment[] {
    const done = this.of(draft).flatMap((held) => held.done ?? [])
    this.change(
      draft,
      this.of(draft).filter((held) => !held.done),
    )
    return done
  }

  /** A refused text is edited: its files come back. */
  restore(draft: string, attachments: readonly Attachment[]): void {
    if (attachments.length) this.change(draft, [...this.of(draft), ...attachments.map(kept)])
  }

  private find(draft: string, key: string): Held | undefined {
    return this.of(draft).find((held) => held.key === key)
  }

  private set(draft: string, key: string, change: Partial<Held>): void {
    this.change(
      draft,
      this.of(draft).map((held) => (held.key === key ? { ...held, ...change } : held)),
    )
  }

  private change(draft: string, files: readonly Held[]): void {
    const rest = Object.fromEntries(Object.entries(this.held).filter(([other]) => other !== draft))
    this.held = files.length ? { ...rest, [draft]: files } : rest
    const saved = Object.entries(this.held).map(([key, all]) => [key, all.flatMap((held) => held.done ?? [])] as const)
    if (this.ended) return
    remember(this.store, Object.fromEntries(saved.filter(([, done]) => done.length)))
    if (files.every((held) => held.done)) {
      this.only.get(draft)?.()
      this.only.delete(draft)
    } else if (!this.only.has(draft)) this.only.set(draft, holdFiles(this.userId, draft))
  }
}

function fresh(key: string, file: File): Held {
  return {
    key,
    name: file.name,
    size: file.size,
    progress: null,
    done: null,
    problem: '',
    again: false,
    file,
    abort: null,
  }
}

function kept(done: Attachment): Held {
  return {
    key: done.id,
    name: done.name,
    size: done.bytes,
    progress: null,
    done,
    problem: '',
    again: false,
    file: null,
    abort: null,
  }
}

function words(error: unknown): string {
  return (error instanceof Problem && error.text) || t('problem.offline')
}

async function smaller(file: File): Promise<File> {
  const picture = await createImageBitmap(file)
  const scale = Math.min(1, SHRUNK_SIDE / Math.max(picture.width, picture.height))
  const canvas = new OffscreenCanvas(Math.round(picture.width * scale), Math.round(picture.height * scale))
  const pen = canvas.getContext('2d')
  if (!pen) throw new Error('no canvas')
  // Where the picture is clear, paper shows: JPEG knows no clear pixels.
  pen.fillStyle = 'white'
  pen.fillRect(0, 0, canvas.width, canvas.height)
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height)
  picture.close()
  const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: SHRUNK_QUALITY })
  return new File([blob], file.name.replace(/\.[^.]+$/, '') + '.jpg', { type: 'image/jpeg' })
}

/** A size as people read it. */
export function sizeOf(bytes: number): string {
  if (bytes < 1000) return t('files.size.bytes', { count: bytes })
  if (bytes < 1_000_000) return t('files.size.kb', { count: Math.round(bytes / 1000) })
  return t('files.size.mb', { count: Math.round(bytes / 100_000) / 10 })
}

/** What a message says in one line: its text, or what it carries. */
export function gist(message: { text: string; attachments: readonly { kind: string }[] } | null | undefined): string {
  if (!message) return ''
  const first = message.attachments[0]
  if (message.text.trim() || !first) return message.text
  return message.attachments.length > 1
    ? t('files.several', { count: message.attachments.length })
    : t(`files.kind.${first.kind as 'other'}`)
}
