import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { apiDocuments, routeLines } from './api-documents.js';
import { AuditEventsReader } from './audit/audit-events.reader.js';
import { Config } from './config/config.js';
import { exampleEnvironment } from './config/settings.js';
import { createApp } from './create-app.js';

const COMMANDS: Readonly<Record<string, () => Promise<void>>> = { generate, 'verify-audit': verifyAudit };

/** Writes what is generated and checked in: the OpenAPI document, the list of routes, `.env.example`. */
async function generate(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'keyward-generate-'));
  try {
    const app = await createApp(
      Config.load({ DATA_DIR: directory, LOG_LEVEL: 'error', PUBLIC_URL: 'http://127.0.0.1:3000' }),
    );
    await app.init();
    mkdirSync('openapi', { recursive: true });
    const documents = Object.entries(apiDocuments(app)).map(([name, build]) => [name, build()] as const);
    for (const [name, document] of documents)
      writeFileSync(`openapi/${name}.json`, `${JSON.stringify(document, null, 2)}\n`);
    writeFileSync('openapi/routes.txt', `${routeLines(...documents.map(([, document]) => document)).join('\n')}\n`);
    writeFileSync('.env.example', exampleEnvironment());
    await app.close();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Recomputes the audit chain of every organization; exit code 1 when one is broken. */
async function verifyAudit(): Promise<void> {
  const app = await createApp(Config.load(process.env));
  await app.init();
  const organizations: { id: string; slug: string }[] = await app
    .get(DataSource)
    .query('select id, slug from organizations order by slug');
  for (const { id, slug } of organizations) {
    const verdict = await app.get(AuditEventsReader).verifyChain(id);
    process.stdout.write(
      verdict.isIntact
        ? `${slug}: ${verdict.length} events, intact\n`
        : `${slug}: BROKEN at event ${verdict.brokenAt}\n`,
    );
    if (!verdict.isIntact) process.exitCode = 1;
  }
  await app.close();
}

const command = COMMANDS[process.argv[2] ?? ''];
if (command === undefined) {
  process.stderr.write(`Usage: npm run cli -- ${Object.keys(COMMANDS).join(' | ')}\n`);
  process.exit(2);
}
await command();
