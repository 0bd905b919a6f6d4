/** The portal's words are added where the portal starts; its parts are tested without that. */
import { addMessages } from '../src/shared/i18n'
import words from '../src/shared/i18n/en.portal.json'

addMessages(words)
