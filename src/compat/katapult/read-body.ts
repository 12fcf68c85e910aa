import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Refusal } from '../../errors/refusal.js';

/**
 * The text of a body, of whatever method, which Fastify has left where it is (`readsBodies`).
 * @returns undefined where there is none, or an empty one
 * @throws Refusal request.too_large beyond the limit of the service; the connection then ends with the answer, since
 *   what is left of the body stands in the way of the next request
 */
export async function readBody(
  { raw, routeOptions }: FastifyRequest,
  reply: FastifyReply,
): Promise<string | undefined> {
  const { 'content-length': length, 'content-type': type, 'transfer-encoding': encoding } = raw.headers;
  if (encoding === undefined && (length === undefined || length === '0')) return undefined;
  const text = await readText(raw, Number(length ?? 0), routeOptions.bodyLimit).catch((error: unknown) => {
    void reply.header('connection', 'close');
    throw error;
  });
  if (text === '') return undefined;
  if (type !== undefined && !/^application\/json *(;|$)/i.test(type))
    throw new Refusal('request.unsupported_media_type', 'The body must be JSON, sent as application/json.');
  return text;
}

function readText(stream: IncomingMessage, announced: number, bytesMax: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const end = (settle: () => void): void => {
      stream.off('data', onData).off('end', onEnd).off('error', onCut).off('close', onCut);
      settle();
    };
    const refuse = (): void => end(() => reject(new Refusal('request.too_large')));
    const onEnd = (): void => end(() => resolve(Buffer.concat(chunks).toString('utf8')));
    const onCut = (): void => end(() => reject(new Refusal('request.malformed_json', 'The body was cut off.')));
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > bytesMax) return refuse();
      chunks.push(chunk);
    };
    if (announced > bytesMax) return refuse();
    if (stream.destroyed || stream.readableEnded) return onCut(); // nothing more would ever be heard of it
    stream.on('data', onData).on('end', onEnd).on('error', onCut).on('close', onCut);
  });
}
