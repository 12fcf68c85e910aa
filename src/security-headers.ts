import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import helmet from 'helmet';

/**
 * The header fields with which helmet hardens an answer. None of them depends on the request, so helmet is asked once and
 * its answer is sent with each: asking it every time takes as long as authenticating.
 */
export function securityHeaders(): Readonly<Record<string, string>> {
  const harden = helmet({
    contentSecurityPolicy: {
      // Swagger UI styles its elements inline; scripts come from its own files only.
      directives: {
        defaultSrc: ["'self'"],
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", 'data:'],
        upgradeInsecureRequests: null,
      },
    },
  });
  const request = new IncomingMessage(new Socket());
  const response = new ServerResponse(request);
  harden(request, response, (error) => {
    if (error !== undefined) throw error as Error;
  });
  return Object.fromEntries(Object.entries(response.getHeaders()).map(([name, value]) => [name, String(value)]));
}
