// The native dialect with nothing but fetch: a service account and its token, from their creation to their end.
//
//   KEYWARD=http://127.0.0.1:3000 JWT=… node docs/clients/native.mjs
//
// It prints a line for each step. Where Keyward answers otherwise than it should, it prints that answer and ends with 1.
const { KEYWARD = 'http://127.0.0.1:3000', JWT } = process.env;

async function call(expectedStatus, method, path, { credential = JWT, body } = {}) {
  const response = await fetch(KEYWARD + path, {
    method,
    headers: { authorization: `Bearer ${credential}`, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status !== expectedStatus)
    fail(`${method} ${path} was answered with ${response.status}, and not ${expectedStatus}: ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}

// The organization is never named: it is the one of the credential. The slug, by which paths name the account, is made from the name.
const account = await call(201, 'POST', '/service-accounts', { body: { name: 'Billing' } });
console.log(`Created the service account ${account.slug}.`);

// A day from now; without `expiresAt`, the token lasts as long as the organization allows.
const expiresAt = new Date(Date.now() + 24 * 60 * 60 * 1_000).toISOString();
const tokens = `/service-accounts/${account.slug}/tokens`;
const request = { name: 'Nightly run', scopes: ['service_accounts:read', 'invoices:create'], expiresAt };
const { token: secret, ...token } = await call(201, 'POST', tokens, { body: request });
console.log(`Issued the token ${token.slug}. Its secret, ${secret.slice(0, 8)}…, is in this answer and in no other.`);

// A bare array of all. With `limit` or `cursor` it comes in pages: { items, hasMore, nextCursor }.
for (const { name, status, scopes } of await call(200, 'GET', tokens))
  console.log(`Listed: ${name}, ${status}, ${scopes.join(' ')}.`);

const seen = await call(200, 'GET', '/service-accounts', { credential: secret });
console.log(`Used it: it reads ${seen.length} service account(s).`);

// What a service asks that was called with the token. The verdict is 200 either way: `valid` and `code` tell it.
const verify = () => call(200, 'POST', '/tokens/verify', { body: { token: secret, scopes: ['invoices:create'] } });
const before = await verify();
if (!before.valid) fail(`The token should be valid: ${JSON.stringify(before)}`);
console.log(`Verified it: ${before.code}.`);

await call(204, 'DELETE', `${tokens}/${token.slug}`);
const after = await verify();
if (after.code !== 'REVOKED') fail(`The token should be revoked: ${JSON.stringify(after)}`);
console.log(`Revoked it: ${after.code}.`);

const { code } = await call(401, 'GET', '/service-accounts', { credential: secret });
console.log(`It is refused: ${code}.`);

await call(204, 'DELETE', `/service-accounts/${account.slug}`);
console.log(`Deleted the service account ${account.slug}.`);
