/** Invented people and texts for the mock server; numbers are from the ranges set aside for fiction. */

export const people = {
  'ana@bluedoor.example': { id: '101', name: 'Ana Torres', numbers: ['n1'] },
  'chloe@cafemira.example': { id: '103', name: 'Chloe Meyer', numbers: ['n2', 'n3', 'n5'] },
  'dev@cafemira.example': { id: '104', name: 'Dev Patel', numbers: ['n4'] },
  'portal@southern.example': { id: '900', name: 'Operator', numbers: null },
}

export const numbers = {
  n1: { number: '+12015550110', display: '(201) 555-0110', friendly_name: 'Front desk', opt_in: 'opted_in' },
  n2: { number: '+12015550111', display: '(201) 555-0111', friendly_name: 'Orders', opt_in: 'opted_in' },
  n3: { number: '+13125550143', display: '(312) 555-0143', friendly_name: 'Support line', opt_in: 'not_needed' },
  n4: { number: '+12015550112', display: '(201) 555-0112', friendly_name: '', opt_in: 'pending' },
  n5: { number: '+12015550114', display: '(201) 555-0114', friendly_name: 'Catering', opt_in: 'opted_out' },
}

const names = [
  ['+12025550142', '(202) 555-0142', 'Jordan Blake', 'Mobile'],
  ['+12025550117', '(202) 555-0117', null, null],
  ['+442079460142', '+44 20 7946 0142', 'Priya Nair', 'CRM Lead'],
  ['+447700900123', '+44 7700 900123', null, null],
  [
    '+12025550188',
    '(202) 555-0188',
    'Maximiliana Featherstonehaugh-Worthington of the Upper Harbour District',
    'Mobile',
  ],
  ['+12025550163', '(202) 555-0163', 'ليلى حداد', 'Mobile'],
  ['+12025550151', '(202) 555-0151', '<script>alert(1)</script>', null],
]

const lines = [
  ['in', 'Is the blue one still there?'],
  ['out', 'It is. Shall I keep it for you?'],
  ['in', 'Please do, until Saturday. I will come by around noon.'],
  ['out', 'Kept under your name. See you on Saturday.'],
  ['in', 'Do you take cards?'],
  ['out', 'Cards and cash.'],
  ['in', 'Great 👍'],
  ['in', 'One more thing: is there parking near you?'],
  [
    'out',
    'Yes, behind the building. The first hour is free, and after that it is 2 dollars an hour. The entrance is on Mill Street, next to the bakery.',
  ],
]

/** Conversations with their messages, newest last; times relative to now. */
export function conversations(numberIds, long = 320) {
  return numberIds.flatMap((numberId, n) =>
    names.slice(0, n === 0 ? names.length : 3).map(([remote, display, name, source], at) => {
      const count = at === 0 && n === 0 ? long : 4 + ((at * 3) % 6)
      const minutes = [4, 55, 190, 1500, 3 * 1440, 12 * 1440, 420 * 1440][(at + n) % 7]
      const texts = Array.from({ length: count }, (_, i) => lines[(i + at) % lines.length])
      return { numberId, remote, display, name, source, unread: at === 1 ? 2 : 0, minutes, texts }
    }),
  )
}
