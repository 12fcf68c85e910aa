// The Katapult dialect with nothing but fetch: a token of the organization, from its creation to its end.
//
//   KEYWARD=http://127.0.0.1:3000 JWT=… node docs/clients/katapult.mjs
//
// It prints a line for each step. Where Keyward answers otherwise than it should, it prints that answer and ends with 1.
const { KEYWARD = 'http://127.0.0.1:3000', JWT } = process.env;
const TOKENS = '/core/v1/organizations/organization/api_tokens';
const TOKEN = '/core/v1/api_tokens/api_token';

async function call(expectedStatus, method, path, { credential = JWT, query = [], body } = {}) {
  const url = new URL(path, KEYWARD);
  for (const [name, value] of query) url.searchParams.append(name, value);
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${credential}`, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status !== expectedStatus)
    fail(`${method} ${path} was answered with ${response.status}, and not ${expectedStatus}: ${text}`);
  return JSON.parse(text);
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}

const { organizations } = await call(200, 'GET', '/core/v1/organizations');
const [organization = fail('No organization is listed.')] = organizations;
console.log(`Found the organization ${organization.sub_domain}.`);

// Arguments are nested objects. Moments are seconds since 1970: here a day from now.
const body = {
  organization: { id: organization.id },
  properties: {
    name: `Deploy ${Date.now()}`, // unique in the organization
    scopes: ['api_tokens:read'],
    expires_at: Math.floor(Date.now() / 1_000) + 24 * 60 * 60,
  },
  annotations: [{ key: 'team', value: 'payments' }],
};
const { api_token: token } = await call(200, 'POST', TOKENS, { body });
console.log(
  `Created the token ${token.id}. Its secret, ${token.secret.slice(0, 8)}…, is in this answer and in no other.`,
);

// A GET has them in its query: an argument's members in brackets, a filter as pairs of key and value.
const query = [
  ['organization[id]', organization.id],
  ['annotations[][key]', 'team'],
  ['annotations[][value]', 'payments'],
];
const list = await call(200, 'GET', TOKENS, { query });
if (!list.api_tokens.some(({ id }) => id === token.id)) fail(`The token should be listed: ${JSON.stringify(list)}`);
console.log(`Listed: it is among the ${list.pagination.total} of the team payments.`);

const { pagination } = await call(200, 'GET', TOKENS, { query: query.slice(0, 1), credential: token.secret });
console.log(`Used it: it reads ${pagination.total} token(s) of its organization.`);

const lookup = { api_token: { id: token.id } };
const { api_token: regenerated } = await call(200, 'POST', `${TOKEN}/regenerate_secret`, { body: lookup });
// This dialect knows no 401: a credential that is not accepted is 403.
const { error } = await call(403, 'GET', TOKENS, { query, credential: token.secret });
await call(200, 'GET', TOKENS, { query, credential: regenerated.secret });
console.log(`Regenerated its secret. The new one works, the old one is refused: ${error.code}.`);

const { api_token: deleted } = await call(200, 'DELETE', TOKEN, { body: lookup });
console.log(`Deleted the token ${deleted.id}.`);
