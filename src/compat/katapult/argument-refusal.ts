import { Refusal } from '../../errors/refusal.js';

/** Where an argument is: the names on the way to it. */
export type ArgumentPath = readonly string[];

/** What each argument is for, by the names on the way to it. */
const ARGUMENTS: Readonly<Record<string, string>> = {
  organization: 'The organization, by one of its id and its sub_domain',
  'organization.id': 'The id of the organization',
  'organization.sub_domain': 'The sub-domain of the organization',
  api_token: 'The API token, by its id',
  'api_token.id': 'The id of the API token',
  properties: 'What the API token shall be like',
  'properties.name': 'The name of the API token',
  'properties.authorized_ip_addresses': 'Addresses and CIDR ranges that the API token may be used from; none: any',
  'properties.expires_at': 'When the API token expires, in seconds since 1970',
  'properties.scopes': 'What the API token may do',
  annotations: 'Keys and values that are attached to the API token',
  'annotations.key': 'The key of an annotation',
  'annotations.value': 'The value of an annotation',
  page: 'The page of the list, from 1 on',
  per_page: 'How many items a page has, from 1 to 200',
  query: 'The query of the URL',
};

/** What is wrong with an argument, beside its being missing. */
const ISSUES = {
  ambiguous_lookup_values: 'More than one way to find the object was sent',
  missing_lookup_value: 'No way to find the object was sent',
  object_expected: 'An object was expected',
  array_expected: 'A list was expected',
  invalid_scalar: 'A single value of another type was expected',
  parse_error: 'The value cannot be read as what it should be',
  validation_errors: 'The value breaks a rule',
} as const;
export type ArgumentIssue = keyof typeof ISSUES;

/** An argument that this dialect refuses before the core is asked; whoever does not know it sees `request.invalid`. */
export class ArgumentRefusal extends Refusal {
  constructor(
    readonly katapultCode: 'invalid_argument' | 'missing_required_argument',
    readonly detail: Readonly<Record<string, unknown>>,
    path: ArgumentPath,
  ) {
    super('request.invalid', undefined, { errors: [{ location: path.join('.'), message: katapultCode }] });
  }
}

/**
 * @param index where in a list the argument is
 * @param errors the rules that are broken, where the issue is `validation_errors`
 */
export function invalidArgument(
  path: ArgumentPath,
  issue: ArgumentIssue,
  { index = null, errors = [] }: { readonly index?: number | null; readonly errors?: readonly string[] } = {},
): ArgumentRefusal {
  const id = path.join('.');
  const argument = { id, name: path.at(-1) ?? '', description: ARGUMENTS[id] ?? null };
  const detail = { path, index, issue, issue_description: ISSUES[issue], errors, argument };
  return new ArgumentRefusal('invalid_argument', detail, path);
}

export function missingArgument(path: ArgumentPath): ArgumentRefusal {
  const argument = { name: path.at(-1) ?? '', description: ARGUMENTS[path.join('.')] ?? null };
  return new ArgumentRefusal('missing_required_argument', { path, argument }, path);
}
