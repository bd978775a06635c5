// Makes devstack/media/demo-loop.flv: 24 s, after which both the 25 fps video (600 frames) and the 48 kHz AAC
// (1125 frames of 1024 samples) are at a whole frame, so that it loops without a gap. Needs FFmpeg with libx264.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const SECONDS = 24;
const FRAMES_PER_SECOND = 25;
const VIDEO_FRAMES = SECONDS * FRAMES_PER_SECOND;
const AUDIO_FRAMES = (SECONDS * 48_000) / 1024;
const COUNTER_BITS = 12;
const SQUARE = 24;

const output = fileURLToPath(new URL('../devstack/media/demo-loop.flv', import.meta.url));

// A counter that needs no font: one white square per bit of the frame number on a black strip, lowest bit at the right.
const strip = `drawbox=x=0:y=ih-${SQUARE + 8}:w=${COUNTER_BITS * (SQUARE + 4) + 8}:h=${SQUARE + 8}:c=black:t=fill`;
const squares = Array.from({ length: COUNTER_BITS }, (_, bit) => {
  const x = 4 + (COUNTER_BITS - 1 - bit) * (SQUARE + 4);
  const enable = `gte(mod(n\\,${2 ** (bit + 1)})\\,${2 ** bit})`;
  return `drawbox=x=${x}:y=ih-${SQUARE + 4}:w=${SQUARE}:h=${SQUARE}:c=white:t=fill:enable='${enable}'`;
});
// The source ends by itself: FFmpeg's -frames:v would end the audio too, as far behind as it then is.
const video = `testsrc2=size=640x360:rate=${FRAMES_PER_SECOND}:duration=${SECONDS},${[strip, ...squares].join(',')},format=yuv420p`;
// The encoder adds one frame of priming.
const audioSeconds = ((AUDIO_FRAMES - 1) * 1024) / 48_000;
// A beep each second over a quiet rustle, different left and right: a lone beep would need a fifth of the bitrate that
// the file declares, and the engine would rightly call that far from announced.
const beep = '0.3*sin(2*PI*880*t)*lt(mod(t\\,1)\\,0.08)';
const rustle = (seed) => [
  `anoisesrc=color=pink:amplitude=0.03:seed=${seed}:sample_rate=48000:duration=${audioSeconds.toFixed(6)}[r${seed}]`,
  `aevalsrc=${beep}:s=48000:d=${audioSeconds.toFixed(6)}[b${seed}]`,
  `[b${seed}][r${seed}]amix=inputs=2:normalize=0[c${seed}]`,
];
const audio = [...rustle(1), ...rustle(2), '[c1][c2]join=inputs=2:channel_layout=stereo'].join(';');

const { status } = spawnSync(
  'ffmpeg',
  [
    ...['-hide_banner', '-loglevel', 'error', '-y'],
    ...['-f', 'lavfi', '-i', video, '-f', 'lavfi', '-i', audio],
    ...['-c:v', 'libx264', '-preset', 'slow', '-profile:v', 'main', '-bf', '0', '-threads', '1'],
    ...['-g', '50', '-keyint_min', '50', '-sc_threshold', '0', '-flags:v', '+cgop+bitexact'],
    ...['-b:v', '500k', '-maxrate', '600k', '-bufsize', '1000k'],
    ...['-c:a', 'aac', '-b:a', '64k', '-flags:a', '+bitexact'],
    ...['-fflags', '+bitexact', '-flvflags', 'no_duration_filesize', output],
  ],
  { stdio: 'inherit' },
);
if (status !== 0) process.exit(1);

for (const [kind, expected] of [
  ['v', VIDEO_FRAMES],
  ['a', AUDIO_FRAMES],
]) {
  const select = ['-select_streams', kind, '-count_packets', '-show_entries', 'stream=nb_read_packets'];
  const { stdout } = spawnSync('ffprobe', ['-v', 'error', ...select, '-of', 'csv=p=0', output]);
  const count = Number(String(stdout));
  if (count !== expected) throw new Error(`${count} packets of track ${kind}, not ${expected}`);
}
const bytes = readFileSync(output);
process.stdout.write(
  `${output}: ${bytes.length} bytes, sha256 ${createHash('sha256').update(bytes).digest('hex')}\n`,
);
