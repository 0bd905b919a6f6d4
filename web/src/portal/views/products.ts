/** What a user can be licensed for (R112); `none` is no licence at all. */
import { t } from '../../shared/i18n'

export type Product = 'desktop' | 'agent' | 'supervisor' | 'reception' | 'none'

export const PRODUCTS: { id: Product; words: () => string }[] = [
  { id: 'desktop', words: () => t('product.desktop') },
  { id: 'agent', words: () => t('product.agent') },
  { id: 'supervisor', words: () => t('product.supervisor') },
  { id: 'reception', words: () => t('product.reception') },
  { id: 'none', words: () => t('product.none') },
]
