/** What went wrong, in words for the person at the screen. */
import { Problem } from '../shared/api/http'
import { t } from '../shared/i18n'

export function wordsOf(error: unknown): string {
  if (!(error instanceof Problem)) return t('problem.unclear')
  if (error.status === 0) return t('problem.offline')
  return error.text || t('problem.unclear')
}
