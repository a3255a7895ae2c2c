// What is to be done at the end of this turn of the event loop, once all that came has been read.

/** An object rather than a function: a function made for each would cost more than what it does. */
export interface Turn {
  /** Never throws. */
  endTurn(): void;
}

/**
 * What belongs together is done in a row, as the code for one kind is at hand in the processor then. Answers first: what
 * came of one goes out before it is told that no more will come.
 */
type Kind = "answers" | "requests";

const waiting: Readonly<Record<Kind, Turn[]>> = { answers: [], requests: [] };
let isScheduled = false;

/**
 * Whatever is to be sent is sent there, one right after the other: a system call that sends may have to wake whoever
 * receives, and in a row one wakes for many. What came for one client meanwhile goes out in one piece, too.
 */
export function atEndOfTurn(kind: Kind, task: Turn): void {
  waiting[kind].push(task);
  if (isScheduled) return;
  isScheduled = true;
  setImmediate(endTurns);
}

function endTurns(): void {
  const { answers, requests } = waiting;
  try {
    // What these add is done as well.
    while (answers.length + requests.length > 0) {
      doAll(answers);
      doAll(requests);
    }
  } finally {
    isScheduled = answers.length + requests.length > 0;
    if (isScheduled) setImmediate(endTurns);
  }
}

function doAll(tasks: Turn[]): void {
  let done = 0;
  try {
    for (const task of tasks) {
      done += 1;
      task.endTurn();
    }
  } finally {
    // Emptied, not replaced: an old array that was given up would keep alive what it holds. Where one throws all the same,
    // the process survives it, and so has the rest to be done: else nothing would ever be sent again.
    if (done < tasks.length) tasks.splice(0, done);
    else tasks.length = 0;
  }
}
