import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/eventually.js';
import { type Answer, Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { madeUp, Tenant, VERIFYING } from '../support/verification.js';

const NGINX = ['/usr/sbin/nginx', 'nginx'].find((path) => spawnSync(path, ['-v']).status === 0);
if (NGINX === undefined) {
  process.stderr.write(
    'nginx is not installed: its configuration in docs/forward-auth.md is not run (apt-get install nginx-light).\n',
  );
}
const describeWithNginx = NGINX === undefined ? describe.skip : describe;

/** What the service behind nginx was sent. */
interface Arrived {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

describeWithNginx('nginx with the configuration of docs/forward-auth.md', () => {
  const arrived: Arrived[] = [];
  let keyward: Keyward;
  let tenant: Tenant;
  let service: Server;
  let nginx: Nginx;

  beforeAll(async () => {
    keyward = await startKeyward({ env: { ...VERIFYING, TRUST_PROXY: '127.0.0.1' } });
    tenant = await Tenant.create(keyward);
    service = await serve(arrived);
    nginx = await Nginx.start(Number(new URL(keyward.url).port), (service.address() as AddressInfo).port);
  });
  afterAll(async () => {
    await nginx?.stop();
    service?.close();
    await keyward?.close();
  });
  beforeEach(() => void arrived.splice(0));

  const call = (token: string | undefined, path = '/orders/1', headers: Record<string, string> = {}): Promise<Answer> =>
    new Client(nginx.url, token).get(path, { headers });

  it('lets a good token through, hands on who it is, and keeps the secret', async () => {
    const { id, token } = await tenant.issue({ scopes: ['orders'] });
    const answer = await call(token, '/orders/1?x=1&scope=invoices');
    expect([answer.status, answer.text]).toEqual([200, 'from the service']);
    const [{ url, headers }] = arrived as [Arrived];
    expect(url).toBe('/orders/1?x=1&scope=invoices');
    expect(headers).toMatchObject({
      'x-keyward-organization-id': tenant.id,
      'x-keyward-organization': tenant.slug,
      'x-keyward-service-account-id': tenant.account.id,
      'x-keyward-service-account': tenant.account.slug,
      'x-keyward-token-id': id,
      'x-keyward-scopes': 'orders',
    });
    expect(headers).not.toHaveProperty('authorization');
  });

  it('lets every method through with its body', async () => {
    const { token } = await tenant.issue({ scopes: ['orders'] });
    const client = new Client(nginx.url, token);
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      expect((await client.request(method, '/orders/1', { body: { text: 'x'.repeat(50_000) } })).status).toBe(200);
    }
    expect((await client.request('HEAD', '/orders/1')).status).toBe(200);
    expect(arrived.map(({ method, body }) => [method, body.length])).toEqual([
      ...['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].map((method) => [method, 50_011]),
      ['HEAD', 0],
    ]);
  });

  it('hands on no identity that a client wrote', async () => {
    const { token } = await tenant.issue({ scopes: ['orders'] });
    const names = [
      'organization-id',
      'organization',
      'service-account-id',
      'service-account',
      'user-id',
      'token-id',
      'scopes',
    ];
    const forged = Object.fromEntries(names.map((name) => [`X-Keyward-${name}`, 'forged']));
    expect((await call(token, '/orders/1', forged)).status).toBe(200);
    expect(Object.values(arrived[0]!.headers)).not.toContain('forged');
    expect(arrived[0]!.headers).not.toHaveProperty('x-keyward-user-id');
  });

  it('lets nothing else through, and says why', async () => {
    const revoked = await tenant.issue();
    expect((await call(revoked.token)).status).toBe(200);
    await tenant.revoke(revoked);
    const other = await tenant.issue({ scopes: ['invoices'] });
    const limited = await tenant.issue({ rateLimit: 1 });
    expect((await call(limited.token)).status).toBe(200);
    arrived.splice(0);
    const refused: [string | undefined, number, string | null, string | null][] = [
      [undefined, 401, null, 'Bearer'],
      [madeUp(1)[0], 401, 'NOT_FOUND', 'Bearer error="invalid_token"'],
      [revoked.token, 401, 'REVOKED', 'Bearer error="invalid_token"'],
      [other.token, 403, 'INSUFFICIENT_SCOPE', null],
      [limited.token, 403, 'RATE_LIMITED', null],
    ];
    for (const [token, status, code, challenge] of refused) {
      const { headers, ...answer } = await call(token);
      const told = [answer.status, headers.get('x-keyward-code'), headers.get('www-authenticate')];
      expect(told).toEqual([status, code, challenge]);
    }
    expect(arrived).toEqual([]);
  });

  it('asks with the address that it sees', async () => {
    const here = await tenant.issue({ authorizedIpAddresses: ['127.0.0.1'] });
    const elsewhere = await tenant.issue({ authorizedIpAddresses: ['192.0.2.7'] });
    const claims = { 'X-Forwarded-For': '192.0.2.7', 'X-Real-IP': '192.0.2.7', Forwarded: 'for=192.0.2.7' };
    expect((await call(here.token, '/orders/1', claims)).status).toBe(200);
    expect((await call(elsewhere.token, '/orders/1', claims)).status).toBe(403);
  });

  it('shows nobody the place where it asks', async () => {
    const { token } = await tenant.issue();
    expect((await call(token, '/_keyward')).status).toBe(404);
    expect((await call(token, '/_keyward?scope=x')).status).toBe(404);
  });

  it('lets nothing through while Keyward does not answer', async () => {
    const { token } = await tenant.issue();
    await keyward.close();
    expect((await call(token)).status).toBe(500);
    expect(arrived).toEqual([]);
    keyward = undefined as unknown as Keyward;
  });
});

/** A service that answers everything and notes what it was sent. */
async function serve(arrived: Arrived[]): Promise<Server> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      arrived.push({ method, url, headers, body: Buffer.concat(chunks).toString('utf8') });
      response.end('from the service');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

class Nginx {
  private constructor(
    readonly url: string,
    private readonly child: ChildProcess,
    private readonly directory: string,
  ) {}

  /** Runs the configuration of the guide, with other ports in it. */
  static async start(keywardPort: number, servicePort: number): Promise<Nginx> {
    const directory = await mkdtemp(join(tmpdir(), 'keyward-nginx-'));
    const [, example = ''] = /```nginx\n([^`]*)```/.exec(await readFile('docs/forward-auth.md', 'utf8')) ?? [];
    const port = await freePort();
    const ports: Readonly<Record<string, number>> = { 3000: keywardPort, 8080: servicePort, 8081: port };
    const site = example.replace(/127\.0\.0\.1:(\d+)/g, (_, documented: string) => `127.0.0.1:${ports[documented]}`);
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${directory}/${name};`,
    );
    // Run as root, its workers would be somebody who may not enter the directory.
    const user = process.getuid?.() === 0 ? 'user root;' : '';
    const file = join(directory, 'nginx.conf');
    await writeFile(
      file,
      `daemon off; worker_processes 1; ${user} pid ${directory}/pid; error_log stderr warn; events {}
       http { access_log off; ${temporary.join(' ')} ${site} }`,
    );
    const child = spawn(NGINX!, ['-c', file, '-p', directory, '-e', 'stderr'], { stdio: ['ignore', 'ignore', 'pipe'] });
    const output: Buffer[] = [];
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
    const url = `http://127.0.0.1:${port}`;
    await eventually(10_000, async () => {
      if (child.exitCode !== null) throw new Error(`nginx ended: ${Buffer.concat(output).toString('utf8')}`);
      return fetch(url).then(
        () => true,
        () => false,
      );
    });
    return new Nginx(url, child, directory);
  }

  async stop(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await ended;
    await rm(this.directory, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const probe = createTcpServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
