/** A page that stays open for days asks for parts that a newer version of the server no longer has. Then, and only then, it loads itself anew. */
export function loadAnewWhenReplaced(): void {
  const own = document.querySelector<HTMLScriptElement>('script[type="module"]')?.getAttribute('src')
  addEventListener('vite:preloadError', () => {
    void fetch(location.pathname, { cache: 'no-store', headers: { accept: 'text/html' } })
      .then(async (answer) => {
        // Drafts and what waits to be sent are kept with each stroke.
        if (answer.ok && own && !(await answer.text()).includes(own)) location.reload()
      })
      .catch(() => undefined)
  })
}
