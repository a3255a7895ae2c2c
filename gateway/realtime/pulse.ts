// Notices an end of a session that has gone dark: one that says nothing, and answers no ping, for too long.
import type { WebSocket } from "ws";

/**
 * Silence alone ends no session: people think, and listen. An end is asked for a sign of life (a ping, RFC 6455
 * §5.5.2) after half of `seconds`, and is dark when none came in the other half. 0 seconds: never. One that is paused
 * is not asked, for it can't be heard. Gives the function that stops it.
 */
export function pulse(ends: readonly WebSocket[], seconds: number, dark: (end: WebSocket) => void): () => void {
  if (seconds <= 0) return () => {};
  const states = ends.map((end) => {
    const state = { end, heard: true, asked: false };
    const hear = () => {
      state.heard = true;
    };
    end.on("message", hear);
    end.on("ping", hear);
    end.on("pong", hear);
    return state;
  });
  const timer = setInterval(() => {
    for (const state of states) {
      const { end, heard, asked } = state;
      if (end.isPaused) continue;
      if (heard) state.asked = false;
      else if (asked) dark(end);
      else {
        state.asked = true;
        end.ping();
      }
      state.heard = false;
    }
  }, seconds * 500);
  return () => clearInterval(timer);
}
