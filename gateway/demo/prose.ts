// Made-up text about a topic; nothing that the prompt says is repeated in it.
import type { Dice } from "./dice.ts";
import { type Topic, topicOf } from "./topics.ts";

const openings = [
  "Here is a short answer about {}.",
  "Happy to help with {}.",
  "There are a few things worth knowing about {}.",
  "A good way to look at {} is to take it step by step.",
  "Let me sum up what matters about {}.",
];
const closings = [
  "Tell me more and I can go into detail.",
  "If you like, we can look at one of these points more closely.",
  "That should be enough to get started.",
  "This text comes from a demo model, so please do not rely on it.",
];
const thoughts = [
  "The question is about {}, so first I should settle what is being asked.",
  "There may be more than one reading; the plain one is the most likely.",
  "I could list facts, yet a short explanation with an example would serve better.",
  "Let me check the order of the steps before I answer.",
  "One of these points is weaker than the others, so I will leave it out.",
  "The tone should be friendly and brief.",
  "That seems complete; now I can write it down.",
];

const about = (template: string, topic: Topic) => template.replace("{}", topic.name);

function shuffled<T>(list: readonly T[], dice: Dice): readonly T[] {
  return list
    .map((item) => [dice.next(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

/** One to eight sentences, as a list now and then; one where the prompt asks to be brief. */
export function prose(prompt: string, dice: Dice): string {
  const topic = topicOf(prompt);
  const facts = shuffled(topic.sentences, dice);
  if (/\b(?:short|brief|briefly|one sentence|one word)\b/i.test(prompt)) return facts[0] ?? "";
  const chosen = facts.slice(0, dice.whole(2, facts.length));
  const opening = about(dice.pick(openings), topic);
  if (/\blist\b/i.test(prompt) || dice.next() < 0.2) {
    return [opening, "", ...chosen.map((fact, at) => `${at + 1}. ${fact}`)].join("\n");
  }
  return [opening, ...chosen, ...(dice.next() < 0.6 ? [dice.pick(closings)] : [])].join(" ");
}

/** Reasoning of so many sentences. */
export function thinking(prompt: string, sentences: number, dice: Dice): string {
  const topic = topicOf(prompt);
  const order = [...thoughts.slice(0, 1), ...shuffled(thoughts.slice(1), dice)];
  return Array.from({ length: sentences }, (_, at) => about(order[at % order.length] ?? "", topic)).join(" ");
}
