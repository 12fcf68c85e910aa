/** The head of a plain request. */
export interface PlainHead {
  readonly path: string;
  /** By their names in lower case; each was sent once. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the head, the empty line included. */
  readonly headBytes: number;
}

/** A longer one is left to Node, which has a limit of its own. */
const HEAD_BYTES_MAX = 8_192;
const END_OF_HEAD = '\r\n\r\n';

const REQUEST_LINE = /^POST (\/[!-~]*) HTTP\/1\.1$/;
/** RFC 9110 §5.1 and §5.5, and no more of it than everybody sends: no empty value, no tab, nothing beyond ASCII. */
const FIELD_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([!-~](?:[ -~]*[!-~])?)$/;

/** Whatever has a say in where a request ends, or in what becomes of its connection. */
const UNUSUAL = new Set([
  'connection',
  'expect',
  'http2-settings',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * Reads a chunk that is one whole plain request: a POST with a body of a told length that ends where the chunk ends. Where
 * anything about it is less than plain, it is for Node's own parser to say what it is, and this answers undefined: so the two
 * cannot come to different verdicts about where a request ends, which is what smuggling lives on.
 */
export function readPlainHead(chunk: Buffer): PlainHead | undefined {
  const end = chunk.indexOf(END_OF_HEAD);
  if (end < 0 || end > HEAD_BYTES_MAX) return undefined;
  const [requestLine = '', ...fieldLines] = chunk.toString('latin1', 0, end).split('\r\n');
  const path = REQUEST_LINE.exec(requestLine)?.[1];
  if (path === undefined) return undefined;
  const headers = Object.create(null) as Record<string, string>;
  for (const line of fieldLines) {
    const [, name = '', value = ''] = FIELD_LINE.exec(line) ?? [];
    const key = name.toLowerCase();
    if (key === '' || key in headers) return undefined;
    if (UNUSUAL.has(key) && !(key === 'connection' && value.toLowerCase() === 'keep-alive')) return undefined;
    headers[key] = value;
  }
  const headBytes = end + END_OF_HEAD.length;
  const { host, 'content-length': length = '' } = headers;
  const isWhole = /^\d{1,9}$/.test(length) && headBytes + Number(length) === chunk.length;
  return host !== undefined && isWhole ? { path, headers, headBytes } : undefined;
}
