// Checks docker-compose.yml, Dockerfile and deploy/nginx.conf as far as that goes without a container engine: syntax, and that the
// three agree with each other and with the settings of the service. Uses `docker compose config` and `nginx -t` where they are there.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

process.chdir(resolve(import.meta.dirname, '..'));
const require = createRequire(import.meta.url);
const yaml = createRequire(require.resolve('@nestjs/swagger'))('js-yaml'); // the parser that @nestjs/swagger brings

const failures = [];
const demand = (isMet, sentence) => isMet || failures.push(sentence);

const text = readFileSync('docker-compose.yml', 'utf8');
const compose = yaml.load(text, { schema: yaml.YAML11_SCHEMA });
const services = Object.entries(compose.services);
const settings = new Set([...readFileSync('.env.example', 'utf8').matchAll(/^#?([A-Z_]+)=/gm)].map(([, name]) => name));
const dockerfile = readFileSync('Dockerfile', 'utf8');

for (const [name, service] of services) {
  const isOurs = service.build !== undefined;
  demand(service.image, `${name} has no image`);
  demand(
    !/:latest$/.test(service.image) && (isOurs || service.image.includes(':')),
    `${name}: the image is not pinned to a release`,
  );
  demand(service.healthcheck || (isOurs && dockerfile.includes('HEALTHCHECK')), `${name} has no health check`);
  for (const other of Object.keys(service.depends_on ?? {}))
    demand(compose.services[other], `${name} depends on ${other}, which is not there`);
  for (const network of [service.networks]
    .flat()
    .flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.keys(entry ?? {})))) {
    demand(Object.hasOwn(compose.networks, network), `${name}: there is no network ${network}`);
  }
  for (const volume of service.volumes ?? []) {
    const [source] = volume.split(':');
    demand(
      source.startsWith('.') ? existsSync(source) : Object.hasOwn(compose.volumes, source),
      `${name}: there is no ${source} to mount`,
    );
  }
  if (isOurs)
    for (const variable of Object.keys(service.environment))
      demand(settings.has(variable), `${name}: ${variable} is no setting of the service`);
}
const ours = services.filter(([, service]) => service.build !== undefined);
demand(ours.length === 2, 'there are not two Keyward instances');

const secrets = /\$\{(POSTGRES_PASSWORD|TOKEN_PEPPERS|AUTH_ISSUER|AUTH_AUDIENCE|PUBLIC_URL)\b(?!:\?)/.exec(text);
demand(secrets === null, `${secrets?.[1]} is not required to be set`);

demand(/^USER (?!root)/m.test(dockerfile), 'the image runs as root');
demand(!/alpine/.test(dockerfile), 'the image has no glibc');
for (const [, from] of dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)) {
  for (const source of from.split(' ')) {
    demand(existsSync(source), `Dockerfile copies ${source}, which is not there`);
    demand(
      readFileSync('.dockerignore', 'utf8').includes(`!${source.replace(/^\.\//, '')}\n`),
      `.dockerignore hides ${source} from the Dockerfile`,
    );
  }
}

const nginx = readFileSync('deploy/nginx.conf', 'utf8');
const upstreams = [...nginx.matchAll(/^\s*server ([\w-]+):(\d+)/gm)];
demand(
  upstreams.map(([, host]) => host).join() === ours.map(([name]) => name).join(),
  'nginx does not stand before just the Keyward instances',
);
for (const [, host, port] of upstreams)
  demand(String(compose.services[host]?.environment.PORT) === port, `${host} does not listen on ${port}`);
const proxy = compose.services.nginx.networks.front.ipv4_address;
for (const [name, service] of ours)
  demand(service.environment.TRUST_PROXY === proxy, `${name} does not trust nginx at ${proxy}`);

/** Runs a program where its version can be asked for; says so where it cannot. */
function runIfThere(what, command, probe, options) {
  const run = (parameters) => spawnSync(command, parameters, { encoding: 'utf8' });
  if (run(probe).status !== 0) {
    console.log(`${what}: not there, so only what this script knows was checked`);
    return;
  }
  const { status, stderr } = run(options);
  demand(status === 0, `${what}: ${stderr}`);
  console.log(`${what}: ${status === 0 ? 'ok' : 'failed'}`);
}

const directory = mkdtempSync(join(tmpdir(), 'keyward-deployment-'));
try {
  const values = ['POSTGRES_PASSWORD', 'TOKEN_PEPPERS', 'AUTH_ISSUER', 'AUTH_AUDIENCE', 'PUBLIC_URL']
    .map((name) => `${name}=x\n`)
    .join('');
  writeFileSync(join(directory, '.env'), values);
  writeFileSync(join(directory, 'docker-compose.yml'), text);
  runIfThere(
    'docker compose config',
    'docker',
    ['compose', 'version'],
    ['compose', '--project-directory', directory, 'config', '--quiet'],
  );

  // Host names of the composition mean nothing here, and nginx looks them up.
  const local = nginx.replace(/^(\s*server )[\w-]+:(\d+)/gm, '$1127.0.0.1:$2').replaceAll('/tmp/', `${directory}/`);
  writeFileSync(join(directory, 'nginx.conf'), local);
  const depth = [...nginx.replace(/#.*$/gm, '')].reduce((sum, letter) => sum + (letter === '{') - (letter === '}'), 0);
  demand(depth === 0, 'deploy/nginx.conf: the braces do not match');
  runIfThere('nginx -t', 'nginx', ['-v'], ['-e', 'stderr', '-t', '-c', join(directory, 'nginx.conf')]);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

for (const failure of failures) console.error(failure);
console.log(`deployment files: ${failures.length} failures; no container was started`);
process.exitCode = failures.length === 0 ? 0 : 1;
