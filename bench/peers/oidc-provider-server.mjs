// oidc-provider (https://github.com/panva/node-oidc-provider) with the adapter in memory that it comes with, introspecting its own opaque tokens.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

/** That adapter keeps a thousand things. */
const TOKENS = 500;
const CLIENT = { id: 'microservice', secret: 'a-secret-of-the-benchmark-of-sufficient-length' };

const server = createServer();
server.listen(0, '127.0.0.1', async () => {
  const { port } = server.address();
  const url = `http://127.0.0.1:${port}`;
  const provider = new Provider(url, {
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        token_endpoint_auth_method: 'client_secret_basic',
      },
    ],
    scopes: ['deployments:create', 'deployments:read'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
    },
    ttl: { ClientCredentials: 24 * 3_600 },
  });
  server.on('request', provider.callback());
  const headers = {
    authorization: `Basic ${Buffer.from(`${CLIENT.id}:${CLIENT.secret}`).toString('base64')}`,
    'content-type': 'application/x-www-form-urlencoded',
  };
  const requests = [];
  for (let number = 0; number < TOKENS; number++) {
    const body = 'grant_type=client_credentials&scope=deployments%3Acreate%20deployments%3Aread';
    const answer = await fetch(`${url}/token`, { method: 'POST', headers, body });
    const { access_token: token } = await answer.json();
    requests.push({ method: 'POST', path: '/token/introspection', headers, body: `token=${token}` });
  }
  process.send({ port, requests });
});
process.on('disconnect', () => process.exit(0));
