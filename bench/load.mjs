// The load generator, a process of its own: so many connections, each of which sends its next request when the last one is answered.
import { setImmediate } from 'node:timers';
import { cpuMicroseconds, machineCpuMicroseconds, treeCpuMicroseconds } from './machine.mjs';
import { RawConnection } from './raw-connection.mjs';
import { sourceOf } from './requests.mjs';

const WRONG_ANSWERS_MAX = 100;

let stop = () => undefined;
process.on('disconnect', () => process.exit(0));
process.on('message', (message) => {
  if (message === 'stop') return stop();
  run(message).then(
    (result) => process.send({ result }),
    (error) => process.send({ problem: error.stack }),
  );
});

/**
 * @param {object} job
 * @param {number} job.port
 * @param {object} job.source what is sent, see requests.mjs
 * @param {number} job.connections
 * @param {number} job.warmUpMs how long nothing counts yet
 * @param {number} [job.warmUpCount] how many answers do not count either, so that caches are filled however slow that is
 * @param {number} job.durationMs
 * @param {number} [job.countMax] of requests, after which it ends early
 * @param {boolean} [job.polls] looks for answers without ever sleeping, so that the server is not charged with waking its client up
 * @param {number} [job.perSecond] of requests, instead of as fast as it goes
 * @param {{ status?: number, prefix?: string }} job.expect what every answer must be
 * @param {{ server: number, postgres?: number }} job.watch processes whose CPU time is told
 */
function run(job) {
  const next = sourceOf(job.source);
  return new Promise((accept, reject) => {
    const counting = new Counting(job);
    let isOver = false;
    const connections = Array.from({ length: job.connections }, () => new RawConnection(job.port));
    const end = (error) => {
      if (isOver) return;
      isOver = true;
      for (const connection of connections) connection.close();
      if (error) reject(error);
      else accept(counting.result());
    };
    stop = () => end();
    const poll = () => isOver || setImmediate(poll);
    if (job.polls) poll();
    const isPaced = job.perSecond !== undefined;
    const pauseMs = isPaced ? (job.connections / job.perSecond) * 1_000 : 0;
    for (const connection of connections) {
      let sentAt = 0;
      const send = () => {
        sentAt = performance.now();
        connection.send(next(), settle);
      };
      const settle = (status, body, error) => {
        if (isOver) return;
        if (error) return end(error);
        const now = performance.now();
        const verdict = counting.note(sentAt, now, status, body);
        if (verdict === 'over') return end();
        if (verdict !== 'go on') return end(new Error(verdict));
        if (isPaced) setTimeout(send, Math.max(0, pauseMs - (now - sentAt)));
        else send();
      };
      if (isPaced) setTimeout(send, Math.random() * pauseMs);
      else send();
    }
  });
}

/** Counts what is answered within the time that counts, and what that cost whom; the latency of what was also sent in it. */
class Counting {
  #job;
  #prefix;
  #latencies = new Float64Array(65_536);
  #count = 0;
  #answered = 0;
  #wrong = 0;
  #warmUpsLeft;
  #beginAt;
  #endAt;
  #lastAt = 0;
  #before;

  constructor(job) {
    this.#job = job;
    this.#prefix = job.expect.prefix === undefined ? undefined : Buffer.from(job.expect.prefix);
    this.#beginAt = performance.now() + job.warmUpMs;
    this.#warmUpsLeft = job.warmUpCount ?? 0;
  }

  note(sentAt, now, status, body) {
    if (!this.#isExpected(status, body) && ++this.#wrong >= WRONG_ANSWERS_MAX) {
      return `${this.#wrong} unexpected answers, the last one: ${status} ${body.subarray(0, 500).toString('latin1')}`;
    }
    if (now < this.#beginAt || this.#warmUpsLeft-- > 0) return 'go on';
    if (this.#before === undefined) {
      this.#before = { at: now, ...this.#costs() };
      this.#endAt = now + this.#job.durationMs;
      return 'go on';
    }
    this.#lastAt = now;
    this.#answered++;
    if (sentAt >= this.#before.at) this.#keep(now - sentAt);
    return now >= this.#endAt || this.#answered >= (this.#job.countMax ?? Infinity) ? 'over' : 'go on';
  }

  result() {
    if (this.#before === undefined) throw new Error('Nothing was answered in the time that counts.');
    const after = this.#costs();
    const sorted = this.#latencies.subarray(0, this.#count).sort();
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    const spent = (name) => (after[name] === undefined ? undefined : after[name] - this.#before[name]);
    return {
      requests: this.#answered,
      seconds: (this.#lastAt - this.#before.at) / 1_000,
      wrongAnswers: this.#wrong,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      maxMs: at(1),
      serverMicroseconds: spent('server'),
      postgresMicroseconds: spent('postgres'),
      loadMicroseconds: spent('load'),
      machineMicroseconds: spent('machine'),
    };
  }

  #isExpected(status, body) {
    const { status: expected = status } = this.#job.expect;
    if (status !== expected) return false;
    return this.#prefix === undefined || this.#prefix.equals(body.subarray(0, this.#prefix.length));
  }

  #keep(latencyMs) {
    if (this.#count === this.#latencies.length) {
      const longer = new Float64Array(this.#count * 4);
      longer.set(this.#latencies);
      this.#latencies = longer;
    }
    this.#latencies[this.#count++] = latencyMs;
  }

  #costs() {
    const { server, postgres } = this.#job.watch;
    const { user, system } = process.cpuUsage();
    return {
      server: cpuMicroseconds(server),
      postgres: postgres === undefined ? undefined : treeCpuMicroseconds(postgres),
      load: user + system,
      machine: machineCpuMicroseconds(),
    };
  }
}
