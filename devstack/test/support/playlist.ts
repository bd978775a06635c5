/** The media segments that a playlist lists: each is acknowledged. */
export async function segmentsOf(hls: string): Promise<string[]> {
  const multivariant = await (await fetch(hls)).text();
  const uri = /^[^#\s].*$/m.exec(multivariant)?.[0];
  if (uri === undefined) return [];
  const url = new URL(uri, hls);
  const playlist = await (await fetch(url)).text();
  return [...playlist.matchAll(/^[^#\s].*$/gm)].map(([line]) => new URL(line, url).href);
}

export async function untilSegments(hls: string, count: number): Promise<string[]> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const segments = await segmentsOf(hls).catch(() => []);
    if (segments.length >= count) return segments;
    if (Date.now() > deadline) throw new Error(`${segments.length} of ${count} segments in ${hls}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
