import { RateLimiterClusterMaster } from 'rate-limiter-flexible';

/** Makes the primary process hold the counters of its workers. To be called in it before the first fork, where no REDIS_URL is set. */
export function startClusterRateLimits(): void {
  new RateLimiterClusterMaster(); // it is one per process, and listens for as long as that lives
}
