// What a process has used, from Linux's /proc: processor time, and memory that is resident.
import { readFileSync } from "node:fs";

/** Linux counts in hundredths of a second for every program that asks (USER_HZ). */
const tickMicros = 10_000;
const pageBytes = 4096;

/** Processor time of all the process's threads, user and system, in microseconds. */
export function cpuMicros(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The second field, the command's name, may hold spaces; counting starts after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * tickMicros;
}

/** Resident memory in bytes. */
export const residentBytes = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1]) * pageBytes;

/** How many files this process and its children may open. */
export function openFiles(): number {
  const row = /^Max open files +\S+ +(\S+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
  return row === "unlimited" ? Number.POSITIVE_INFINITY : Number(row);
}
