/** Largest discovery document or key set that is read, after decompression. Real ones have a few kilobytes. */
const DOCUMENT_BYTES_MAX = 256 * 1024;

/** OpenID Connect Discovery §4.1: a slash at the end of the issuer is removed before the path is appended. */
export function discoveryUrl(issuer: string): URL {
  return new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
}

/** Where the discovery document says that the keys are. */
export function keySetUrl(jwksUri: unknown, issuer: string): URL {
  const url = typeof jwksUri === 'string' && URL.canParse(jwksUri) ? new URL(jwksUri) : undefined;
  // Keys that came over plain http could be anybody's; it is good enough only where the issuer itself is trusted over it.
  const isAllowed = url?.protocol === 'https:' || (url?.protocol === 'http:' && issuer.startsWith('http:'));
  if (!url || !isAllowed) throw new Error('the discovery document names no jwks_uri that can be used');
  return url;
}

/**
 * Fetches a JSON object from the issuer. Bounded in time and size, and no redirect is followed: what it leads to, an
 * internal address perhaps, is not what the operator configured.
 * @throws Error whose message names the URL and what was wrong
 */
export async function fetchIssuerDocument(url: URL, timeoutMs: number): Promise<Record<string, unknown>> {
  try {
    const response = await fetch(url, {
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs), // covers the body too
      headers: { accept: 'application/json' },
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`the status is ${response.status}`);
    }
    const document: unknown = JSON.parse(await readBounded(response));
    if (typeof document !== 'object' || document === null || Array.isArray(document)) {
      throw new Error('the body is no JSON object');
    }
    return document as Record<string, unknown>;
  } catch (error) {
    throw new Error(`${url.href}: ${innermostMessage(error)}`, { cause: error });
  }
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the stream and with it the download.
    if (bytes > DOCUMENT_BYTES_MAX) throw new Error(`the body has more than ${DOCUMENT_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** fetch says only "fetch failed" and hides ECONNREFUSED and its like in the cause. */
function innermostMessage(error: unknown): string {
  const { message, cause } = error as { message: string; cause?: { code?: string; message?: string } };
  return cause?.message || cause?.code || message;
}
