import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

import { messages } from './vite.config'

export default defineConfig({
  plugins: [messages, svelte()],
  // The browser's build of Svelte: runes react only there.
  resolve: { conditions: ['browser'] },
  test: { environment: 'node', setupFiles: ['tests/setup.ts'], include: ['src/**/*.test.ts', 'tests/**/*.test.ts'] },
})
