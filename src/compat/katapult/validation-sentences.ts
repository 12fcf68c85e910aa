import { echo, type Refusal, type RefusalDetail, withoutSecrets } from '../../errors/refusal.js';

/** What the members of a request of the core's are called here. */
const ATTRIBUTES: Readonly<Record<string, string>> = {
  'body.name': 'Name',
  'body.scopes': 'Scopes',
  'body.authorizedIpAddresses': 'Authorized ip addresses',
  'body.expiresAt': 'Expires at',
  'body.annotations': 'Annotations',
  'header.idempotency-key': 'Idempotency-Key',
};
const NAME_TAKEN = 'Name has already been taken';

/** The rules that a request breaks, each a sentence that begins with the attribute. Nothing in them is a secret. */
export function sentencesOf(refusal: Refusal): string[] {
  if (refusal.code === 'token.name_taken' || refusal.code === 'token.slug_taken') return [NAME_TAKEN];
  const { errors = [] } = refusal.more;
  return errors.length === 0 ? [withoutSecrets(refusal.message)] : [...new Set(errors.map(sentenceOf))];
}

function sentenceOf({ location, message, value }: RefusalDetail): string {
  const [, place = location, index] = /^([\w.-]+?)(?:\[(\d+)\])?$/.exec(location) ?? [];
  const attribute = ATTRIBUTES[place] ?? withoutSecrets(place.replace(/^body\./, ''));
  const said = withoutSecrets(messageFor(place, message, value));
  const shown = index === undefined ? undefined : echo(location, value);
  return typeof shown === 'string' ? `${attribute} "${shown}" ${said}` : `${attribute} ${said}`;
}

function messageFor(place: string, message: string, value: unknown): string {
  switch (place) {
    case 'body.name':
      return typeof value === 'string' && value.trim() === '' ? "can't be blank" : message;
    case 'body.scopes':
      return message.startsWith('must') ? message : 'is not included in the list';
    case 'body.expiresAt':
      return message.startsWith('must be a date') ? 'is not a moment that can be kept' : message;
    case 'body.annotations':
      return message.replace(
        /^must be an object .*$/,
        'must be at most 50, each with a key of 1 to 64 letters, digits or ._/:- and a value of at most 255 characters',
      );
    default:
      return message;
  }
}
