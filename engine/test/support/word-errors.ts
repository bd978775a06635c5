/** Words substituted, left out and put in, for each word that was said (Levenshtein over words). */
export function wordErrorRate(said: string, heard: string): number {
  const [reference, hypothesis] = [wordsOf(said), wordsOf(heard)];
  let row = hypothesis.map((_, index) => index + 1);
  row.unshift(0);
  for (const [at, word] of reference.entries()) {
    const next = [at + 1];
    for (const [index, other] of hypothesis.entries()) {
      const substituted = (row[index] ?? 0) + (word === other ? 0 : 1);
      next.push(Math.min(substituted, (row[index + 1] ?? 0) + 1, (next[index] ?? 0) + 1));
    }
    row = next;
  }
  return (row.at(-1) ?? 0) / reference.length;
}

const wordsOf = (text: string): string[] =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}' ]/gu, ' ')
    .split(/\s+/)
    .filter((word) => word !== '');
