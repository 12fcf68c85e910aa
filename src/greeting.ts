import { mintDevelopmentJwt } from './authentication/mint-development-jwt.js';
import type { Config } from './config/config.js';

const JWT_LIFETIME_SECONDS = 7 * 24 * 3600;

/** What a person who has just started a development server needs: where to look, a credential, and a command that works. */
export async function greet(config: Config, url: string): Promise<void> {
  const lines = ['', `Keyward listens on ${url}`, '', `  Swagger UI   ${url}/docs`];
  if (config.jwtSecret !== undefined) {
    const { AUTH_ORG_CLAIM, AUTH_ROLE_CLAIM } = config.settings;
    const claims = { sub: 'demo-owner', name: 'Demo Owner', [AUTH_ORG_CLAIM]: 'demo', [AUTH_ROLE_CLAIM]: 'owner' };
    const jwt = await mintDevelopmentJwt(config.jwtSecret, claims, JWT_LIFETIME_SECONDS);
    const request = (path: string, body: object): string =>
      `-s -X POST ${url}${path} -H "Authorization: Bearer $JWT" -H 'Content-Type: application/json' -d '${JSON.stringify(body)}' -w '\\n'`;
    lines.push(
      '  Credential   a JWT of the owner of the organization "demo", good for 7 days:',
      '',
      `export JWT=${jwt}`,
      '',
      'Create a service account and a token, whose secret is shown this once:',
      '',
      `curl ${request('/service-accounts', { name: 'CI pipeline', slug: 'ci-pipeline' })} \\`,
      `  --next ${request('/service-accounts/ci-pipeline/tokens', { name: 'Deploy', scopes: ['api_tokens:read', 'service_accounts:read'] })}`,
    );
  }
  process.stdout.write(`${lines.join('\n')}\n\n`);
}
