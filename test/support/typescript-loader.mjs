import { readFile } from 'node:fs/promises';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { transform } from '@swc/core';

/*
 * Module hooks for jest's globalSetup alone. Jest compiles that one file but not what it imports, and Node 20 neither
 * reads TypeScript nor finds `x.ts` where the source says `./x.js`.
 */

/** Imports a TypeScript module of this directory, and what it imports in turn, outside of jest's own module system. */
export function importTypeScript(path) {
  register(import.meta.url);
  return import(path);
}

export function resolve(specifier, context, next) {
  const isOurs = specifier.startsWith('.') && specifier.endsWith('.js') && context.parentURL?.endsWith('.ts');
  return next(isOurs ? `${specifier.slice(0, -'.js'.length)}.ts` : specifier, context);
}

export async function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context);
  const filename = fileURLToPath(url);
  const { code } = await transform(await readFile(filename, 'utf8'), {
    filename,
    configFile: false,
    swcrc: false,
    sourceMaps: 'inline',
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
    },
    module: { type: 'es6' },
  });
  return { format: 'module', source: code, shortCircuit: true };
}
