// The Unleash dialect with nothing but fetch: a service account and its token, from their creation to their end.
//
//   KEYWARD=http://127.0.0.1:3000 JWT=… node docs/clients/unleash.mjs
//
// It prints a line for each step. Where Keyward answers otherwise than it should, it prints that answer and ends with 1.
const { KEYWARD = 'http://127.0.0.1:3000', JWT } = process.env;
const ACCOUNTS = '/api/admin/service-account';

async function call(expectedStatus, method, path, { credential = JWT, body } = {}) {
  const response = await fetch(KEYWARD + path, {
    method,
    // The credential stands alone in its header, as Unleash has it. `Bearer ` before it would do as well.
    headers: { authorization: credential, ...(body && { 'content-type': 'application/json' }) },
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

// The token will have no scopes of its own: it may do what the role of its account allows.
const { rootRoles } = await call(200, 'GET', ACCOUNTS);
const viewer = rootRoles.find(({ name }) => name === 'Viewer') ?? fail(`No role Viewer: ${JSON.stringify(rootRoles)}`);
console.log(`Found the role ${viewer.name}, number ${viewer.id}.`);

const username = `dashboard-${Date.now()}`; // unique, and never changed
const account = await call(201, 'POST', ACCOUNTS, { body: { username, name: 'Dashboard', rootRole: viewer.id } });
console.log(`Created the service account ${account.id}, ${account.username}.`);

// An expiry is required in this dialect. A day from now:
const expiresAt = new Date(Date.now() + 24 * 60 * 60 * 1_000).toISOString();
const tokens = `${ACCOUNTS}/${account.id}/token`;
const { secret, ...token } = await call(201, 'POST', tokens, { body: { description: 'Wall display', expiresAt } });
console.log(`Issued the token ${token.id}. Its secret, ${secret.slice(0, 8)}…, is in this answer and in no other.`);

const { pats } = await call(200, 'GET', tokens);
for (const { id, description, seenAt } of pats)
  console.log(`Listed: ${id}, ${description}, ${seenAt ?? 'never used'}.`);

// There is no GET of a single account: clients list, and look for the id.
const { serviceAccounts } = await call(200, 'GET', ACCOUNTS, { credential: secret });
const itself = serviceAccounts.find(({ id }) => id === account.id);
if (itself === undefined) fail(`The account should be listed: ${JSON.stringify(serviceAccounts)}`);
console.log(`Used it: it reads its own account, ${itself.name}.`);

const { name } = await call(403, 'DELETE', `${ACCOUNTS}/${account.id}`, { credential: secret });
console.log(`It is no administrator: ${name}.`);

await call(200, 'DELETE', `${tokens}/${token.id}`);
const refused = await call(401, 'GET', ACCOUNTS, { credential: secret });
console.log(`Deleted the token. It is refused: ${refused.name}.`);

await call(200, 'DELETE', `${ACCOUNTS}/${account.id}`);
console.log(`Deleted the service account ${account.id}.`);
