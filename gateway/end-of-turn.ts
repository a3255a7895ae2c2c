// What is to be done at the end of this turn of the event loop, once all that came has been read.

/** An object rather than a function: a function made for each would cost more than what it does. */
export interface Turn {
  /** Never throws. */
  endTurn(): void;
}

const waiting: Turn[] = [];

/**
 * Whatever is to be sent is sent there, one right after the other: a system call that sends may have to wake whoever
 * receives, and in a row one wakes for many. What came for one client meanwhile goes out in one piece, too.
 */
export function atEndOfTurn(task: Turn): void {
  if (waiting.push(task) === 1) setImmediate(endTurns);
}

function endTurns(): void {
  let done = 0;
  try {
    // What these add is done as well.
    for (const task of waiting) {
      done += 1;
      task.endTurn();
    }
  } finally {
    // Emptied, not replaced: an old array that was given up would keep alive what it holds. Where one throws all the same,
    // the process survives it, and so has the rest to be done: else nothing would ever be sent again.
    if (done < waiting.length) {
      waiting.splice(0, done);
      setImmediate(endTurns);
    } else waiting.length = 0;
  }
}
