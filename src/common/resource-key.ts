/** How a thing is named within its organization or owner: by its slug in the native dialect, by its number or its id in others. */
export type ResourceKey = { readonly slug: string } | { readonly number: number } | { readonly id: string };

/** The column that a key looks into, and what it looks for there. */
export function columnOf(key: ResourceKey): readonly [column: 'slug' | 'number' | 'id', value: string | number] {
  if ('slug' in key) return ['slug', key.slug];
  return 'number' in key ? ['number', key.number] : ['id', key.id];
}
