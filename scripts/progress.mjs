// Shows that a slow step is under way: a line that counts seconds on a terminal, plain lines elsewhere.
import process from 'node:process';

const QUIET_MS = 400;
const TICK_MS = 100;
const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** Runs `work` under a title on stderr; what ends within 0.4 s shows nothing. Resolves and rejects as `work` does. */
export async function step(title, work) {
  const startedAt = performance.now();
  const elapsed = () => performance.now() - startedAt;
  const live = process.stderr.isTTY && process.env.NO_COLOR === undefined;
  let frame = 0;
  let shown = false;
  const timer = setInterval(() => {
    if (elapsed() < QUIET_MS) return;
    if (live) {
      frame = (frame + 1) % FRAMES.length;
      process.stderr.write(`\r\u001b[2K  ${FRAMES[frame]} ${title} ${(elapsed() / 1000).toFixed(0)} s`);
    } else if (!shown) {
      process.stderr.write(`${title} …\n`);
    }
    shown = true;
  }, TICK_MS);
  const finish = (mark) => {
    clearInterval(timer);
    if (!shown) return;
    const line = `${title} ${(elapsed() / 1000).toFixed(1)} s`;
    process.stderr.write(live ? `\r\u001b[2K  ${mark} ${line}\n` : `${line}\n`);
  };
  try {
    const result = await work();
    finish('✓');
    return result;
  } catch (error) {
    finish('✗');
    throw error;
  }
}
