/** The members of an application/x-www-form-urlencoded text; one that is sent twice becomes undefined, which no rule accepts (RFC 6749 §3.2). */
export function parseForm(text: string): Readonly<Record<string, string | undefined>> {
  const form = Object.create(null) as Record<string, string | undefined>;
  for (const [name, value] of new URLSearchParams(text)) form[name] = name in form ? undefined : value;
  return form;
}
