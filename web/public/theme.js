// Runs before the first paint, so that a person who chose dark never sees a white flash.
;(function () {
  var root = document.documentElement
  try {
    var saved = JSON.parse(localStorage.getItem('kereru.preferences') || '{}')
    if (saved.theme === 'light' || saved.theme === 'dark') root.dataset.theme = saved.theme
    if (saved.density === 'compact') root.dataset.density = 'compact'
  } catch {
    // A damaged or forbidden store only means the defaults.
  }
})()
