// What this machine is, how to keep processes apart on it, and what they cost: Linux tells it in /proc, elsewhere those figures are left out.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

/** /proc counts in hundredths of a second, whatever the kernel's own clock (man 5 proc, USER_HZ). */
const MICROSECONDS_PER_TICK = 10_000;

export const SERVER_CORE = 0;
/** The load generator and PostgreSQL share it. */
export const OTHER_CORE = 1;

function works(command, ...args) {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Whether the server can be given a core of its own. */
export const canPin = availableParallelism() >= 2 && works('taskset', '-c', `${SERVER_CORE},${OTHER_CORE}`, 'true');

/**
 * A command line that runs on one core, where that is possible.
 * @param {number | 'any'} core
 */
export function onCore(core, command, args) {
  return core !== 'any' && canPin
    ? { command: 'taskset', args: ['-c', String(core), command, ...args] }
    : { command, args };
}

/** Moves a process and all that it started to one core. */
export function pinTree(pid, core) {
  if (!canPin) return;
  for (const member of treeOf(pid)) works('taskset', '-a', '-p', '-c', String(core), String(member));
}

export function describeMachine() {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()} ${process.arch}`,
    node: process.version,
    isPinned: canPin,
    loadAverageAtStart: loadavg()[0],
  };
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // not Linux, or the process has ended
  }
}

/** The fields of /proc/<pid>/stat behind the name, which may hold anything; the first one is the state. */
function statOf(pid) {
  const text = read(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** The process and its descendants. */
function treeOf(pid) {
  const parents = new Map();
  for (const name of processNumbers()) parents.set(name, Number(statOf(name)?.[1]));
  const tree = [pid];
  for (const member of tree) for (const [child, parent] of parents) if (parent === member) tree.push(child);
  return tree;
}

function processNumbers() {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

/** CPU time of one process so far; undefined where it cannot be told. */
export function cpuMicroseconds(pid) {
  const fields = statOf(pid);
  return fields && (Number(fields[11]) + Number(fields[12])) * MICROSECONDS_PER_TICK;
}

/** CPU time of a process with its children, those that have ended included. */
export function treeCpuMicroseconds(pid) {
  const own = statOf(pid);
  if (own === undefined) return undefined;
  let ticks = Number(own[13]) + Number(own[14]);
  for (const member of treeOf(pid)) {
    const fields = statOf(member);
    if (fields) ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * MICROSECONDS_PER_TICK;
}

/** CPU time that the whole machine has spent working (not idle, not waiting for a disk), stolen time included. */
export function machineCpuMicroseconds() {
  const [line] = (read('/proc/stat') ?? '').split('\n', 1);
  if (!line?.startsWith('cpu ')) return undefined;
  const [user, nice, system, , , interrupt, softInterrupt, steal] = line.trim().split(/\s+/).slice(1).map(Number);
  return (user + nice + system + interrupt + softInterrupt + steal) * MICROSECONDS_PER_TICK;
}

/** Resident memory now and at its highest, in bytes. */
export function residentBytes(pid) {
  const status = read(`/proc/${pid}/status`) ?? '';
  const of = (name) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? Number.NaN) * 1024;
  return { now: of('VmRSS'), highest: of('VmHWM') };
}
