// What the service says to PostgreSQL, counted by PostgreSQL itself (pg_stat_statements).
import { RawConnection } from './raw-connection.mjs';
import { verifyRequest } from './requests.mjs';
import { tokenSecret } from './secrets.mjs';
import { forget } from './throughput.mjs';

const QUESTIONS = 200;
/** The look-up of a credential is the statement that selects by digest. */
const LOOK_UP = /where s\.digest = any/;

export async function resetStatements(session) {
  await session.query('create extension if not exists pg_stat_statements');
  await session.query('select pg_stat_statements_reset()');
}

/** Every statement that was sent to the session's database since the reset, and how often. */
export async function readStatements(session) {
  const { rows } = await session.query(
    `select query, calls::int from pg_stat_statements
     where dbid = (select oid from pg_database where datname = current_database())
       and query not like '%pg_stat_statements%' and query not like '%pg_notify%'`,
  );
  return rows;
}

export async function countLookUps(session) {
  return (await readStatements(session)).reduce((sum, { query, calls }) => sum + (LOOK_UP.test(query) ? calls : 0), 0);
}

/** Asks about tokens that are not cached, one after the other, then about the same ones again. */
export async function countStatements({ server, session }) {
  const connection = new RawConnection(server.port, { keepsBody: true });
  const askAll = async () => {
    await resetStatements(session);
    for (let number = 0; number < QUESTIONS; number++) {
      const { body } = await connection.ask(verifyRequest(tokenSecret(number)));
      if (!body.includes('"code":"VALID"')) throw new Error(`Token ${number}: ${body}`);
    }
    const statements = await readStatements(session);
    const of = (pattern) => statements.reduce((sum, { query, calls }) => sum + (pattern.test(query) ? calls : 0), 0);
    const lookUps = of(LOOK_UP);
    // What runs beside, however many questions there are: the heartbeat of the change feed, the writing of last uses.
    const inBackground = of(/^select \$1$/i) + of(/^with uses as/) + of(/^(begin|commit|start transaction)/i);
    const all = of(/./);
    return { lookUps, inBackground, others: all - lookUps - inBackground };
  };
  try {
    forget(session);
    await new Promise((done) => setTimeout(done, 200));
    await connection.ask(verifyRequest(tokenSecret(QUESTIONS))); // who asks is looked up before
    const misses = await askAll();
    const hits = await askAll();
    return { questions: QUESTIONS, misses, hits };
  } finally {
    connection.close();
  }
}
