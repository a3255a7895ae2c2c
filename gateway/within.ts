// Waits for something, but not for ever.

/** Waits for a promise, but no longer than so many seconds. */
export async function within(seconds: number, wanted: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, seconds * 1000);
  });
  await Promise.race([wanted, late]);
  clearTimeout(timer);
}
