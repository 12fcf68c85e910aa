// node bench/profile.mjs "verify hit" [tokens]: one operation under load, and in which functions the service spends its time.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seed } from './seed.mjs';
import { Stack } from './stack.mjs';
import { forget, jobOf, OPERATIONS } from './throughput.mjs';

const [name = 'verify hit', tokens = '1000'] = process.argv.slice(2);
const operation = OPERATIONS.find((one) => one.name === name);
if (operation === undefined) throw new Error(`One of: ${OPERATIONS.map((one) => one.name).join(', ')}`);
const SHOWN = 45;
const directory = mkdtempSync(join(tmpdir(), 'keyward-profile-'));
const stack = new Stack();
process.once('SIGINT', () => stack.close().then(() => process.exit(130)));
try {
  await stack.startPostgres();
  await stack.createDatabase('profile');
  const nodeArguments = ['--cpu-prof', '--cpu-prof-interval', '200', `--cpu-prof-dir=${directory}`];
  const server = await stack.startKeyward('profile', { nodeArguments });
  const session = await stack.connect('profile');
  await seed([session], Number(tokens));
  const load = stack.startLoad();
  const timer = operation.forgets ? setInterval(() => forget(session), 50) : undefined;
  const result = await load.run({
    ...jobOf(operation, Number(tokens), 1),
    port: server.port,
    watch: { server: server.pid, postgres: stack.postgresPid },
    warmUpMs: 2_000,
    durationMs: 10_000,
  });
  clearInterval(timer);
  await stack.stop(server);
  console.log(result);
  const [file] = readdirSync(directory);
  printProfile(JSON.parse(readFileSync(join(directory, file), 'utf8')));
} finally {
  await stack.close();
  rmSync(directory, { recursive: true, force: true });
}

/** Self time by function, without what lies before the last twelve seconds. */
function printProfile({ nodes, samples, timeDeltas, endTime }) {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const byFunction = new Map();
  let now = endTime;
  let busy = 0;
  for (let index = samples.length - 1; index >= 0 && endTime - now < 12e6; now -= timeDeltas[index--]) {
    const { functionName, url, lineNumber } = frames.get(samples[index]);
    if (functionName === '(idle)') continue;
    const place = `${functionName || '(anonymous)'} ${url.replace(/^.*\/(node_modules|dist)\//, '')}:${lineNumber + 1}`;
    byFunction.set(place, (byFunction.get(place) ?? 0) + timeDeltas[index]);
    busy += timeDeltas[index];
  }
  const sorted = [...byFunction].sort(([, a], [, b]) => b - a).slice(0, SHOWN);
  for (const [place, time] of sorted) console.log(`${((time / busy) * 100).toFixed(1).padStart(5)} %  ${place}`);
}
