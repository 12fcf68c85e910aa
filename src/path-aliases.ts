/** Paths under which the three dialects are served besides their own, applied before routing. */
const ALIASES: readonly (readonly [RegExp, string])[] = [
  // The native dialect is also under /api, which the Unleash dialect's /api/admin is no part of.
  [/^\/api\/(?!admin\/)/, '/'],
  // The Katapult dialect is also at the root.
  [/^\/(organizations\/organization|api_tokens)(?=[/?]|$)/, '/core/v1/$1'],
];

/** The URL that a URL stands for. */
export function resolveAlias(url: string): string {
  for (const [pattern, replacement] of ALIASES) if (pattern.test(url)) return url.replace(pattern, replacement);
  return url;
}
