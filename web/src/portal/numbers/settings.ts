/** What may be set for a number, and what it inherits from its platform (R147, R151, R152). */
import { t } from '../../shared/i18n'
import type { Assignment, AssignmentBody, MessagingType } from './model'

/** As the form holds them; an empty choice is what the platform says. */
export interface Settings {
  friendly_name: string
  messaging_type: '' | MessagingType
  user_can_block: '' | 'yes' | 'no'
}

export const NEW: Settings = { friendly_name: '', messaging_type: '', user_can_block: '' }

export function settingsOf(one: Assignment): Settings {
  return {
    friendly_name: one.friendly_name,
    messaging_type: one.messaging_type_set ?? '',
    user_can_block: one.user_can_block_set === null ? '' : one.user_can_block_set ? 'yes' : 'no',
  }
}

export function bodyOf(values: Settings): Omit<AssignmentBody, 'number'> {
  return {
    friendly_name: values.friendly_name,
    messaging_type: values.messaging_type || null,
    user_can_block: values.user_can_block === '' ? null : values.user_can_block === 'yes',
  }
}

interface Inherited {
  mms: boolean
  user_can_block: boolean
}

/** The choices of the messaging type; MMS only where the platform has it, or where that is not known yet (R151). */
export function typeOptions(
  platform: Inherited | undefined,
  held?: MessagingType | null,
): { value: string; text: string }[] {
  const inherited = platform ? (platform.mms ? t('number.type.mms') : t('number.type.sms')) : ''
  return [
    { value: '', text: platform ? t('number.inherit.now', { now: inherited }) : t('number.inherit') },
    { value: 'sms', text: t('number.type.sms') },
    ...(platform?.mms === false && held !== 'mms_sms' ? [] : [{ value: 'mms_sms', text: t('number.type.mms') }]),
  ]
}

export function blockingOptions(platform: Inherited | undefined): { value: string; text: string }[] {
  const inherited = platform?.user_can_block ? t('number.blocking.yes') : t('number.blocking.no')
  return [
    { value: '', text: platform ? t('number.inherit.now', { now: inherited }) : t('number.inherit') },
    { value: 'yes', text: t('number.blocking.yes') },
    { value: 'no', text: t('number.blocking.no') },
  ]
}
