import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CompiledKeyward } from '../support/process.js';

describe('workers of one machine', () => {
  const WORKER_TIMEOUT_MS = 1_000;
  let compiled: CompiledKeyward;
  beforeAll(async () => void (compiled = await CompiledKeyward.make()));
  afterAll(() => compiled?.remove());

  /** Runs a program in a primary process and in its workers, and returns what it prints as JSON. */
  async function runInCluster(primary: string, worker: string): Promise<unknown> {
    await writeFile(
      join(compiled.directory, 'workers.js'),
      `import cluster from 'node:cluster';
      import { once } from 'node:events';
      import { Config } from './src/config/config.js';
      import { startClusterRateLimits } from './src/rate-limit/cluster-counters.js';
      import { RateLimiter } from './src/rate-limit/rate-limiter.service.js';
      const say = (value) => console.log('result ' + JSON.stringify(value));
      if (cluster.isPrimary) {
        ${primary}
      } else {
        const limiter = new RateLimiter(Config.load(process.env));
        ${worker}
      }`,
    );
    const { code, output } = await compiled.run('workers.js', [], {
      REDIS_TIMEOUT_MS: String(WORKER_TIMEOUT_MS),
      REDIS_URL: '',
    });
    const [, json] = /^result (.*)$/m.exec(output) ?? [];
    if (code !== 0 || json === undefined) throw new Error(`The workers ended with ${code}:\n${output}`);
    return JSON.parse(json);
  }

  const gather = `
    const answers = [];
    for (const worker of [cluster.fork(), cluster.fork(), cluster.fork()]) {
      worker.on('message', (message) => { if (message.left) answers.push(message); });
    }
    while (answers.length < 3) await once(cluster, 'message');
    say(answers);
    process.exit(0);`;
  const consumeTen = `
    const left = [];
    const startedAt = performance.now();
    for (let count = 0; count < 10; count++) left.push((await limiter.consume('key', 100)).remaining);
    process.send({ left, state: limiter.state(), milliseconds: performance.now() - startedAt });`;

  it('share the counters that the primary process holds', async () => {
    const answers = (await runInCluster(`startClusterRateLimits();${gather}`, consumeTen)) as {
      left: number[];
      state: object;
    }[];
    const left = answers.flatMap((answer) => answer.left).sort((a, b) => b - a);
    expect(left).toEqual(Array.from({ length: 30 }, (_, index) => 99 - index));
    for (const { state } of answers) expect(state).toMatchObject({ backend: 'cluster', isDegraded: false });
  });

  it('count by themselves, and say so, where the primary holds none', async () => {
    const answers = (await runInCluster(gather, consumeTen)) as {
      left: number[];
      state: object;
      milliseconds: number;
    }[];
    for (const { left, state, milliseconds } of answers) {
      expect(milliseconds).toBeLessThan(3 * WORKER_TIMEOUT_MS); // ten would be the time of each waiting
      expect(left).toEqual([99, 98, 97, 96, 95, 94, 93, 92, 91, 90]);
      expect(state).toMatchObject({ backend: 'cluster', isDegraded: true });
    }
  });

  it('count by themselves on their way out, when they have let go of the primary', async () => {
    const leave = `
      await limiter.consume('key', 100);
      cluster.worker.disconnect();
      await once(cluster.worker, 'disconnect');
      say({ left: (await limiter.consume('key', 100)).remaining });
      process.exit(0);`;
    const wait = `startClusterRateLimits(); const [code] = await once(cluster.fork(), 'exit'); process.exit(code);`;
    expect(await runInCluster(wait, leave)).toEqual({ left: 99 });
  });

  it('may be killed while they ask, and neither the primary nor another worker notices', async () => {
    const kill = `
      startClusterRateLimits();
      const survivor = cluster.fork({ IS_SURVIVOR: 'true' });
      const victims = [1, 2, 3, 4, 5].map(() => cluster.fork());
      await Promise.all(victims.map(async (victim) => {
        await once(victim, 'message');
        victim.process.kill('SIGKILL');
        await once(victim, 'exit');
      }));
      survivor.send('done?');
      for (;;) {
        const [, message] = await once(cluster, 'message');
        if (message.state) { say(message.state); process.exit(0); }
      }`;
    const ask = `
      if (process.env.IS_SURVIVOR) {
        process.on('message', async (message) => {
          if (message !== 'done?') return;
          await limiter.consume('other', 1);
          process.send({ state: limiter.state() });
        });
      } else {
        process.send('asking');
        const askOn = async () => { for (;;) await limiter.consume('key', 1); };
        await Promise.all(Array.from({ length: 100 }, askOn));
      }`;
    expect(await runInCluster(kill, ask)).toMatchObject({ backend: 'cluster', isDegraded: false });
  }, 60_000);
});
