import { SetMetadata } from '@nestjs/common';

export const NOT_RATE_LIMITED = 'keyward:not-rate-limited';

/** Leaves an operation out of the limits: one that costs nothing, and whose refusal would do harm, as of a liveness probe. */
export const NotRateLimited = (): MethodDecorator & ClassDecorator => SetMetadata(NOT_RATE_LIMITED, true);
