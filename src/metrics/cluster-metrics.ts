import cluster, { type Worker } from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { AggregatorRegistry, type Registry } from 'prom-client';
import { Refusal } from '../errors/refusal.js';

const ASK = 'keyward:metrics';
const ANSWER_TIMEOUT_MS = 6_000;

interface MetricsMessage {
  readonly type?: unknown;
  readonly id?: unknown;
  readonly text?: unknown;
}

/** In the primary process: answers a worker that was scraped with the metrics of all workers. */
export function serveClusterMetrics(): void {
  const aggregator = new AggregatorRegistry();
  cluster.on('message', (worker: Worker, message: MetricsMessage) => {
    if (message.type !== ASK) return;
    void aggregator
      .clusterMetrics()
      .then((text) => worker.isConnected() && worker.send({ type: ASK, id: message.id, text }))
      .catch(() => undefined); // the worker that asked runs into its own timeout, and says so
  });
}

/** In a worker: lets the primary process read this registry. */
export function joinClusterMetrics(registry: Registry): void {
  if (!cluster.isWorker) return;
  new AggregatorRegistry();
  AggregatorRegistry.setRegistries([registry]);
}

/** In a worker: the metrics of all workers. */
export async function askForClusterMetrics(): Promise<string> {
  const id = randomUUID();
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void): void => {
      clearTimeout(timeout);
      process.off('message', listen);
      outcome();
    };
    const listen = (message: MetricsMessage): void => {
      if (message.type === ASK && message.id === id && typeof message.text === 'string')
        settle(() => resolve(message.text as string));
    };
    const timeout = setTimeout(
      () => settle(() => reject(new Refusal('service.unavailable', 'The other workers did not answer.'))),
      ANSWER_TIMEOUT_MS,
    );
    process.on('message', listen);
    process.send?.({ type: ASK, id });
  });
}
