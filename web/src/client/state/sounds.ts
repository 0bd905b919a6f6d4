/** The sounds, all our own: notes that are played when they are needed. A text's arrival has several, of which each person chooses one. */

export const ARRIVALS = ['calls', 'drop', 'bell', 'wood', 'rise', 'dusk'] as const
export type Arrival = (typeof ARRIVALS)[number]
export type Sound = Arrival | 'sent' | 'failed'

type Note = [hz: number, from: number, length: number]
interface Tune {
  wave: OscillatorType
  notes: readonly Note[]
}

/** Notes: frequency in Hz, start and length in seconds. */
const TUNES: Record<Sound, Tune> = {
  calls: {
    wave: 'sine',
    notes: [
      [587.33, 0, 0.16],
      [880, 0.12, 0.28],
    ],
  },
  drop: {
    wave: 'sine',
    notes: [
      [1046.5, 0, 0.07],
      [698.46, 0.06, 0.2],
    ],
  },
  bell: {
    wave: 'sine',
    notes: [
      [1318.51, 0, 0.7],
      [2637.02, 0, 0.3],
      [1975.53, 0.02, 0.4],
    ],
  },
  wood: {
    wave: 'triangle',
    notes: [
      [392, 0, 0.06],
      [392, 0.12, 0.06],
      [523.25, 0.24, 0.09],
    ],
  },
  rise: {
    wave: 'triangle',
    notes: [
      [523.25, 0, 0.12],
      [659.25, 0.1, 0.12],
      [783.99, 0.2, 0.24],
    ],
  },
  dusk: {
    wave: 'sine',
    notes: [
      [440, 0, 0.3],
      [329.63, 0.22, 0.5],
    ],
  },
  sent: { wave: 'sine', notes: [[1174.66, 0, 0.08]] },
  failed: {
    wave: 'sine',
    notes: [
      [311.13, 0, 0.16],
      [233.08, 0.16, 0.3],
    ],
  },
}
const LOUDNESS = 0.12

export function sound(audio: AudioContext, name: Sound): void {
  const begin = audio.currentTime + 0.01
  const { wave, notes } = TUNES[name]
  for (const [hz, from, length] of notes) {
    const tone = new OscillatorNode(audio, { type: wave, frequency: hz })
    const gain = new GainNode(audio, { gain: 0 })
    gain.gain.setValueAtTime(0, begin + from)
    gain.gain.linearRampToValueAtTime(LOUDNESS, begin + from + 0.012)
    gain.gain.exponentialRampToValueAtTime(0.0001, begin + from + length)
    tone.connect(gain).connect(audio.destination)
    tone.start(begin + from)
    tone.stop(begin + from + length)
  }
}
