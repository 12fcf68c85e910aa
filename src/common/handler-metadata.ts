import type { ExecutionContext } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';

/**
 * What a decorator says of a handler or, where it says nothing of that, of its class. Remembered for each handler: decorators
 * have said everything before the first request, and Reflector searches prototypes anew each time it is asked.
 */
export class HandlerMetadata<T> {
  /** By class as well: two of them may have inherited one handler. */
  private readonly known = new WeakMap<object, WeakMap<object, { readonly said: T | undefined }>>();

  constructor(
    private readonly reflector: Reflector,
    private readonly key: string,
  ) {}

  of(context: ExecutionContext): T | undefined {
    const controller = context.getClass();
    const handler = context.getHandler();
    const known = this.known.get(controller)?.get(handler);
    if (known !== undefined) return known.said;
    const said = this.reflector.getAllAndOverride<T | undefined>(this.key, [handler, controller]);
    const ofClass = this.known.get(controller) ?? new WeakMap<object, { readonly said: T | undefined }>();
    this.known.set(controller, ofClass.set(handler, { said }));
    return said;
  }
}
