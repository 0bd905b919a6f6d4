/**
 * One live line to the server: a WebSocket, or a long poll after two failed upgrades. Promises: changes come in order and exactly from the cursor on;
 * the cursor moves only with what was handed over; a lost line is taken up again with growing, jittered pauses; `online` tells the truth.
 * Runs in a SharedWorker or in a page; everything outside is injected, so that tests need no clock and no network.
 */
import type { Change, Changes } from '../api/types'

export interface Socket {
  send: (text: string) => void
  close: (code?: number) => void
  onopen: (() => void) | null
  onmessage: ((event: { data: unknown }) => void) | null
  onclose: ((event: { code: number; reason: string }) => void) | null
}

export interface World {
  socket: () => Socket
  /** `after` null asks only where the changes stand now. */
  poll: (after: string | null, signal: AbortSignal) => Promise<Changes>
  later: (ms: number, run: () => void) => () => void
  random: () => number
}

export interface Listener {
  changes: (items: Change[], cursor: string) => void
  resync: (cursor: string) => void
  online: (online: boolean) => void
  signedOut: () => void
}

const PING_MS = 25_000
const PONG_MS = 10_000
const OPEN_MS = 10_000
const PAUSE_MS = 500
const PAUSE_MAX_MS = 30_000
const FAILED_UPGRADES = 2
/** While polling, a socket is tried again this often. */
const RETRY_SOCKET_MS = 60_000
const CLOSED_SIGNED_OUT = 4401
/** The server does not know our cursor (any more): after a restore, say. */
const BAD_CURSOR = 'bad_cursor'

export class Link {
  private socket: Socket | null = null
  private cancels = new Set<() => void>()
  private abort: AbortController | null = null
  private failures = 0
  private upgradesFailed = 0
  private stopped = false
  private online = false

  constructor(
    private readonly world: World,
    private readonly listener: Listener,
    private cursor: string | null,
  ) {}

  start(): void {
    this.stopped = false
    this.connect()
  }

  stop(): void {
    this.stopped = true
    this.drop()
  }

  /** The machine woke up or found its network again: do not sit out the pause. */
  hurry(): void {
    if (this.stopped || this.online) return
    this.drop()
    this.failures = 0
    this.connect()
  }

  get isOnline(): boolean {
    return this.online
  }

  private drop(): void {
    for (const cancel of [...this.cancels]) cancel()
    this.cancels.clear()
    this.abort?.abort()
    this.abort = null
    const socket = this.socket
    this.socket = null
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null
      socket.close()
    }
  }

  private later(ms: number, run: () => void): () => void {
    const cancel = this.world.later(ms, () => {
      this.cancels.delete(cancel)
      run()
    })
    this.cancels.add(cancel)
    return () => {
      this.cancels.delete(cancel)
      cancel()
    }
  }

  private connect(): void {
    let opened = false
    let socket: Socket
    try {
      socket = this.world.socket()
    } catch {
      this.upgradesFailed += 1
      this.again()
      return
    }
    this.socket = socket
    const late = this.later(OPEN_MS, () => this.closed(socket, opened, 1006, ''))
    socket.onopen = () => {
      opened = true
      late()
      this.upgradesFailed = 0
      socket.send(JSON.stringify({ type: 'follow', ...(this.cursor === null ? {} : { after: this.cursor }) }))
      this.tell(true)
      this.keepAlive(socket)
    }
    socket.onmessage = (event) => this.frame(event.data)
    socket.onclose = (event) => {
      late()
      this.closed(socket, opened, event.code, event.reason)
    }
  }

  private pong: (() => void) | null = null

  private keepAlive(socket: Socket): void {
    this.later(PING_MS, () => {
      if (this.socket !== socket) return
      socket.send('{"type":"ping"}')
      const silent = this.later(PONG_MS, () => this.closed(socket, true, 1006, ''))
      this.pong = () => {
        silent()
        this.pong = null
        this.keepAlive(socket)
      }
    })
  }

  private frame(data: unknown): void {
    let frame: { type?: string; items?: Change[]; cursor?: string }
    try {
      frame = JSON.parse(String(data)) as typeof frame
    } catch {
      return
    }
    this.failures = 0
    if (frame.type === 'pong') this.pong?.()
    else if (frame.type === 'changes' && frame.items && frame.cursor) this.give(frame.items, frame.cursor)
    else if (frame.type === 'resync' && frame.cursor) this.startOver(frame.cursor)
  }

  private give(items: Change[], cursor: string): void {
    if (this.cursor === null) return this.startOver(cursor)
    this.cursor = cursor
    if (items.length) this.listener.changes(items, cursor)
  }

  private startOver(cursor: string): void {
    this.cursor = cursor
    this.listener.resync(cursor)
  }

  private closed(socket: Socket, opened: boolean, code: number, reason: string): void {
    if (this.socket !== socket) return
    this.drop()
    if (code === CLOSED_SIGNED_OUT) {
      this.stopped = true
      this.tell(false)
      this.listener.signedOut()
      return
    }
    if (!opened) this.upgradesFailed += 1
    if (reason === BAD_CURSOR) this.cursor = null
    this.tell(false)
    const hint = /^retry=(\d+)$/.exec(reason)
    this.again(hint ? Math.min(Number(hint[1]), PAUSE_MAX_MS) : undefined)
  }

  private again(hint?: number): void {
    if (this.stopped) return
    const ceiling = Math.min(PAUSE_MAX_MS, PAUSE_MS * 2 ** this.failures)
    this.failures += 1
    const pause = hint ?? ceiling / 2 + (this.world.random() * ceiling) / 2
    this.later(pause, () => (this.upgradesFailed >= FAILED_UPGRADES ? this.pollOn() : this.connect()))
  }

  /** Long polling until the line is changed back; each answer is followed by the next question at once. */
  private pollOn(): void {
    const abort = new AbortController()
    this.abort = abort
    this.later(RETRY_SOCKET_MS, () => {
      this.drop()
      this.upgradesFailed = FAILED_UPGRADES - 1
      this.connect()
    })
    const ask = async (): Promise<void> => {
      while (!abort.signal.aborted && !this.stopped) {
        const answer = await this.world.poll(this.cursor, abort.signal)
        if (abort.signal.aborted) return
        this.failures = 0
        this.tell(true)
        if (answer.resync) this.startOver(answer.cursor)
        else this.give(answer.items, answer.cursor)
      }
    }
    ask().catch((error: unknown) => {
      if (abort.signal.aborted || this.stopped) return
      this.drop()
      this.tell(false)
      const refused = error as { status?: number; code?: string } | null
      if (refused?.status === 401) {
        this.stopped = true
        this.listener.signedOut()
        return
      }
      if (refused?.code === BAD_CURSOR) this.cursor = null
      this.again()
    })
  }

  private tell(online: boolean): void {
    if (this.online === online) return
    this.online = online
    this.listener.online(online)
  }
}
