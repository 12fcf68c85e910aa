import type pg from 'pg';
import { countOfOrganization, stretchOfOrganization } from '../../src/tokens/token-queries.js';
import { openPool } from '../support/databases.js';
import type { Answer, Client } from '../support/http.js';
import { KatapultTenant, type Pagination } from '../support/katapult.js';
import { type Keyward, startKeyward } from '../support/keyward.js';

const TOKENS_OF_LARGE = 100_000;
const TOKENS_OF_SMALL = 100;
/** So many tokens of the large organization have one value of each of these annotations. */
const OF_ONE_TEAM = 500;
const OF_ONE_STAGE = 50_000;
const PAGE = { limit: 30, offset: 0 };
const COUNTED_MAX = 1_001;

const ROUNDS = 5;
const REQUESTS_PER_ROUND = 60;
const RATIO_MAX = 3;
/** Below this, a difference is that of the clock and of whatever else the machine does. */
const NOISE_MS = 2;

/** Newer tokens have greater numbers. Every eighth is of a service account, every tenth is revoked. */
const WRITE_TOKENS = `
  with numbers as (select n, gen_random_uuid() as id from generate_series(1, $2::integer) n),
  written as (
    insert into tokens (id, organization_id, service_account_id, slug, name, scopes, created_at, created_by_id, revoked_at, revoked_by_id)
    select id, $1, case when n % 8 = 0 then $3::uuid end, 'token-' || n, 'token-' || n, '{orders:read}',
           timestamptz '2030-01-01' + n * interval '1 second', 'spec',
           case when n % 10 = 0 then now() end, case when n % 10 = 0 then 'spec' end
    from numbers)
  insert into annotations (organization_id, token_id, key, value)
  select $1, id, key, value from numbers, lateral (values
    ('team', 'team-' || n % ${TOKENS_OF_LARGE / OF_ONE_TEAM}),
    ('stage', 'stage-' || n % ${TOKENS_OF_LARGE / OF_ONE_STAGE})) as pairs (key, value)`;

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Plan[];
}

let keyward: Keyward;
let large: KatapultTenant;
let small: KatapultTenant;
/** Who may read the tokens of the one and of the other. */
let readerOfLarge: Client;
let readerOfSmall: Client;
let pool: pg.Pool;

beforeAll(async () => {
  keyward = await startKeyward();
  pool = openPool(keyward.databaseUrl);
  large = await KatapultTenant.create(keyward);
  small = await KatapultTenant.create(keyward);
  readerOfLarge = await large.holder('api_tokens:read');
  readerOfSmall = await small.holder('api_tokens:read');
  await fill(large, TOKENS_OF_LARGE);
  await fill(small, TOKENS_OF_SMALL);
  await keyward.sql('vacuum analyze tokens, annotations');
}, 120_000);
afterAll(async () => {
  await pool?.end();
  await keyward?.close();
});

async function fill(tenant: KatapultTenant, count: number): Promise<void> {
  const account = await tenant.owner.post<{ id: string }>('/service-accounts', { body: { name: 'Importer' } });
  await keyward.sql(WRITE_TOKENS, [uuidOf(tenant), count, account.body.id]);
}

function uuidOf({ organization }: KatapultTenant): string {
  return organization.id.replace('org_', '');
}

/** The nodes of the plan by which the statement was run. */
async function explain(statement: string, parameters: readonly string[]): Promise<Plan[]> {
  const { rows } = await pool.query(`explain (analyze, buffers off, format json) ${statement}`, [...parameters]);
  const [{ Plan: top }] = (rows[0] as { 'QUERY PLAN': [{ Plan: Plan }] })['QUERY PLAN'];
  const flat = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(flat)];
  return flat(top);
}

/** How many rows of the tables and indexes were looked at. */
function rowsRead(plan: readonly Plan[]): number {
  const scans = plan.filter((node) => /Scan$/.test(node['Node Type']) && !/^(CTE|Subquery)/.test(node['Node Type']));
  return scans.reduce(
    (sum, node) => sum + node['Actual Loops'] * (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)),
    0,
  );
}

function indexesOf(plan: readonly Plan[]): string[] {
  return [...new Set(plan.flatMap((node) => node['Index Name'] ?? []))];
}

function expectNoTableScan(plan: readonly Plan[]): void {
  expect(plan.filter((node) => node['Node Type'] === 'Seq Scan').map((node) => node['Relation Name'])).toEqual([]);
}

describe(`in an organization of ${TOKENS_OF_LARGE} tokens`, () => {
  it('the first page reads its own rows only, along the index', async () => {
    const plan = await explain(stretchOfOrganization(0, PAGE), [uuidOf(large)]);
    expectNoTableScan(plan);
    expect(indexesOf(plan)).toContain('ix_tokens_live_created');
    // Each row is met in the order of the list, by its id, and with its annotations.
    expect(rowsRead(plan)).toBeLessThanOrEqual(8 * PAGE.limit);
  });

  it('a late page costs a step in the index for each row before it, and no row of the table', async () => {
    const offset = 5_000;
    const plan = await explain(stretchOfOrganization(0, { ...PAGE, offset }), [uuidOf(large)]);
    expectNoTableScan(plan);
    expect(rowsRead(plan)).toBeLessThanOrEqual(offset + 8 * PAGE.limit);
    expect(plan.find((node) => node['Index Name'] === 'ix_tokens_live_created')?.['Node Type']).toBe('Index Only Scan');
  });

  it('the count ends where the list is large', async () => {
    const plan = await explain(countOfOrganization(0, COUNTED_MAX), [uuidOf(large)]);
    expect(rowsRead(plan)).toBeLessThanOrEqual(2 * COUNTED_MAX);
  });

  it('two annotations are looked for in their index, and few rows are read for them', async () => {
    const filter = ['team', 'team-7', 'stage', 'stage-1'];
    for (const statement of [stretchOfOrganization(2, PAGE), countOfOrganization(2, COUNTED_MAX)]) {
      const plan = await explain(statement, [uuidOf(large), ...filter]);
      expectNoTableScan(plan);
      expect(indexesOf(plan)).toContain('ix_annotations_value');
      expect(rowsRead(plan)).toBeLessThanOrEqual(4 * OF_ONE_TEAM);
    }
  });

  it('annotations that nothing or half of them have are no reason to read everything', async () => {
    for (const filter of [
      ['team', 'nobody', 'stage', 'stage-1'],
      ['stage', 'stage-1', 'stage', 'stage-1'],
    ]) {
      const plan = await explain(countOfOrganization(2, COUNTED_MAX), [uuidOf(large), ...filter]);
      expectNoTableScan(plan);
      expect(rowsRead(plan)).toBeLessThanOrEqual(TOKENS_OF_LARGE / 4);
    }
  });

  it('a small organization beside it is not read through the large one', async () => {
    for (const statement of [stretchOfOrganization(0, PAGE), countOfOrganization(0, COUNTED_MAX)]) {
      const plan = await explain(statement, [uuidOf(small)]);
      expectNoTableScan(plan);
      expect(rowsRead(plan)).toBeLessThanOrEqual(3 * TOKENS_OF_SMALL);
    }
  });

  it('the list is a large set, newest first, and finds what has two annotations', async () => {
    const first = await large.list();
    expect(first.pagination).toEqual({
      current_page: 1,
      total_pages: null,
      total: null,
      per_page: 30,
      large_set: true,
    });
    expect(first.api_tokens.map(({ name }) => name).slice(0, 3)).toEqual(['token-99999', 'token-99998', 'token-99997']);
    const query =
      'annotations[][key]=team&annotations[][value]=team-7&annotations[][key]=stage&annotations[][value]=stage-1';
    const found = await large.list(query);
    expect(found.pagination).toMatchObject({ total: OF_ONE_TEAM, large_set: false } satisfies Partial<Pagination>);
    expect(found.api_tokens[0]?.name).toBe('token-99807');
  });
});

describe('the time that a page takes', () => {
  it(`is at the 99th percentile no more than ${RATIO_MAX} times that of an organization of ${TOKENS_OF_SMALL} tokens`, async () => {
    const times: Record<'large' | 'small', number[]> = { large: [], small: [] };
    for (let round = 0; round <= ROUNDS; round += 1) {
      const [ofLarge, ofSmall]: [number[], number[]] = [[], []];
      for (let request = 0; request < REQUESTS_PER_ROUND; request += 1) {
        ofLarge.push(await timeOf(() => readerOfLarge.get(large.listPath())));
        ofSmall.push(await timeOf(() => readerOfSmall.get(small.listPath())));
      }
      if (round === 0) continue; // until everything is warm
      times.large.push(percentile99(ofLarge));
      times.small.push(percentile99(ofSmall));
    }
    const [ofLarge, ofSmall] = [median(times.large), median(times.small)];
    expect(ofLarge).toBeLessThanOrEqual(RATIO_MAX * ofSmall + NOISE_MS);
  }, 60_000);

  async function timeOf(ask: () => Promise<Answer>): Promise<number> {
    const from = performance.now();
    const { status } = await ask();
    expect(status).toBe(200);
    return performance.now() - from;
  }

  function percentile99(values: number[]): number {
    return values.sort((one, other) => one - other)[Math.ceil(values.length * 0.99) - 1]!;
  }

  function median(values: number[]): number {
    return values.sort((one, other) => one - other)[Math.floor(values.length / 2)]!;
  }
});
