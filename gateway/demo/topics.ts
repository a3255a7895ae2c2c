// What the demo backend can talk about: words that give a topic away, and sentences that are safe to say of it.

export interface Topic {
  readonly name: string;
  /** Lower-case words in a prompt that point here. */
  readonly signs: readonly string[];
  readonly sentences: readonly string[];
  /** Single words for made-up values. */
  readonly words: readonly string[];
}

export const general: Topic = {
  name: "that",
  signs: [],
  sentences: [
    "It helps to begin with the part that is already clear and to work outward from there.",
    "Most of the difficulty lies in naming the problem well; the rest follows more easily than expected.",
    "Two approaches are common, and which one is better depends on how often things change.",
    "Write down what you would expect to see, then compare it with what actually happens.",
    "A small example shows more than a long explanation, so try one before going further.",
    "Keep the first version simple, measure it, and improve only what the numbers point at.",
    "If something looks too easy, check the assumptions once more before relying on it.",
  ],
  words: ["amber", "harbour", "lantern", "meadow", "orchard", "compass", "granite", "willow"],
};

export const topics: readonly Topic[] = [
  {
    name: "the weather",
    signs: ["weather", "rain", "snow", "sunny", "forecast", "temperature", "storm", "climate", "wind"],
    sentences: [
      "Clouds usually build in the afternoon, when the ground has had time to warm up.",
      "A falling barometer and a turning wind are the oldest signs that rain is near.",
      "Forecasts for three days are about as good today as those for one day were forty years ago.",
      "Valleys hold cool air overnight, so mornings there begin colder than on the slopes.",
      "Take a light jacket: the difference between sun and shade is larger than it feels.",
    ],
    words: ["breeze", "drizzle", "sunshine", "mist", "thunder"],
  },
  {
    name: "programming",
    signs: ["code", "program", "function", "bug", "typescript", "javascript", "python", "sql", "compile", "algorithm"],
    sentences: [
      "Start with a failing test, because it says exactly when you are done.",
      "A function that does one thing is easy to name, and a name that comes hard is a warning.",
      "Read the error message twice; the second reading usually finds the word that matters.",
      "Make the data structure right and the code around it becomes short.",
      "Measure before you optimise, since the slow part is seldom where one looks first.",
      "Version control is cheap, so commit each step that works.",
    ],
    words: ["parser", "queue", "buffer", "module", "thread"],
  },
  {
    name: "cooking",
    signs: ["cook", "recipe", "bake", "soup", "dinner", "kitchen", "bread", "meal", "food", "pasta"],
    sentences: [
      "Salt early and in small amounts, so that it has time to reach the middle.",
      "Let the pan get properly hot before anything goes into it.",
      "Onions want patience: twenty minutes on a low flame make them sweet.",
      "Keep a cup of the cooking water, for it binds a sauce better than cream does.",
      "Taste at every step and write down what you changed.",
    ],
    words: ["basil", "saffron", "ginger", "barley", "thyme"],
  },
  {
    name: "travel",
    signs: ["travel", "trip", "flight", "hotel", "city", "visit", "holiday", "vacation", "train", "paris", "tokyo"],
    sentences: [
      "Go in the shoulder season, when the light is good and the queues are short.",
      "One city seen slowly is remembered longer than four seen from a window.",
      "Book the first and the last night, and leave the middle open.",
      "Trains put you down in the centre, which often makes up for the longer ride.",
      "Walk the first day without a map and note what you want to come back to.",
    ],
    words: ["harbour", "station", "passport", "plaza", "ferry"],
  },
  {
    name: "money",
    signs: ["money", "budget", "price", "cost", "invest", "bank", "tax", "finance", "salary", "invoice", "payment"],
    sentences: [
      "Fixed costs come first, since they are what you pay in a month when nothing goes well.",
      "A reserve of three months buys time to decide calmly.",
      "Small fees compound just as interest does, only in the other direction.",
      "Compare offers over the whole term and not by their first year.",
      "Track spending for four weeks before changing anything; the pattern is rarely what one guesses.",
    ],
    words: ["ledger", "balance", "invoice", "reserve", "margin"],
  },
  {
    name: "health",
    signs: ["health", "sleep", "exercise", "doctor", "diet", "running", "fitness", "medicine", "pain"],
    sentences: [
      "Regular hours do more for sleep than a longer night now and then.",
      "Half an hour of brisk walking a day already makes most of the difference.",
      "Increase effort by about a tenth a week, which is slow enough for joints to follow.",
      "Anything sudden or lasting belongs in front of a doctor rather than a screen.",
      "Drink a glass of water first; thirst likes to dress up as something else.",
    ],
    words: ["stride", "breath", "rest", "balance", "vigour"],
  },
  {
    name: "space",
    signs: ["space", "planet", "moon", "star", "galaxy", "rocket", "mars", "astronomy", "orbit", "universe"],
    sentences: [
      "Light from the Sun is about eight minutes old when it arrives here.",
      "An orbit is a fall that keeps missing the ground.",
      "Saturn would float, if there were a bath large enough to hold it.",
      "Most of what can be seen at night with the eye alone lies within our own galaxy.",
      "The Moon moves away from us by nearly four centimetres a year.",
    ],
    words: ["comet", "nebula", "orbit", "crater", "aurora"],
  },
  {
    name: "history",
    signs: ["history", "war", "century", "ancient", "king", "empire", "revolution", "roman", "medieval"],
    sentences: [
      "Sources written close to the event know details, and those written later know how it ended.",
      "Trade routes explain more borders than battles do.",
      "A change that seems sudden has usually been prepared for a generation.",
      "Harvests and prices stand behind many of the dates that are learned at school.",
      "Ask who paid for a monument, and why just then.",
    ],
    words: ["archive", "citadel", "chronicle", "treaty", "guild"],
  },
];

/** The topic with the most signs in a text; of two, the one listed first. */
export function topicOf(text: string): Topic {
  const words = new Set(
    text
      .slice(-20_000)
      .toLowerCase()
      .match(/\p{L}+/gu) ?? [],
  );
  let best = general;
  let most = 0;
  for (const topic of topics) {
    const signs = topic.signs.filter((sign) => words.has(sign) || words.has(`${sign}s`)).length;
    if (signs > most) {
      best = topic;
      most = signs;
    }
  }
  return best;
}
