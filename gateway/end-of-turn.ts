// What is to be done at the end of this turn of the event loop, once all that came has been read.

/** An object rather than a function: a function made for each would cost more than what it does. */
export interface Turn {
  /** Never throws. */
  endTurn(): void;
}

/**
 * What belongs together is done in a row, in this order: the code for one kind is at hand in the processor then, and
 * that for all kinds together never is.
 */
type Kind =
  /** Requests that are whole go on: whoever waits for one, until it waits for something else. */
  | "arrived"
  /** Answers go out, before anyone is told that no more of them will come. */
  | "answers"
  /** Requests go to backends, or are told that they failed. */
  | "requests";

const waiting: Readonly<Record<Kind, Turn[]>> = { arrived: [], answers: [], requests: [] };
let isScheduled = false;

/**
 * Whatever is to be sent is sent there, one right after the other: a system call that sends may have to wake whoever
 * receives, and in a row one wakes for many. What came for one client meanwhile goes out in one piece, too.
 */
export function atEndOfTurn(kind: Kind, task: Turn): void {
  waiting[kind].push(task);
  if (isScheduled) return;
  isScheduled = true;
  setImmediate(begin);
}

function begin(): void {
  if (waiting.arrived.length === 0) {
    finish();
    return;
  }
  try {
    doAll(waiting.arrived);
  } finally {
    queueMicrotask(awaitRest);
  }
}

/** What is put off by `nextTick` from here runs when no promise has anything left to do, and before anything is read. */
function awaitRest(): void {
  process.nextTick(finish);
}

function finish(): void {
  const { arrived, answers, requests } = waiting;
  try {
    // What these add is done as well.
    while (answers.length + requests.length > 0) {
      doAll(answers);
      doAll(requests);
    }
  } finally {
    isScheduled = arrived.length + answers.length + requests.length > 0;
    if (isScheduled) setImmediate(begin);
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
