import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contentAnalysis } from '../../src/encoding/content-aware.ts';
import type { EncodingPlan } from '../../src/encoding/encoding-plan.ts';
import type { BuiltInPreset } from '../../src/encoding/encoding-request.ts';
import { planEncoding } from '../../src/encoding/plan-encoding.ts';
import { builtIn, encodingRequest, sourceClip } from '../support/encoding-sources.ts';
import {
  carryOut,
  type ProbedStream,
  probeSource,
  probeStreams,
  runIn,
  ssim,
  workingFolder,
} from '../support/plan-runs.ts';
import { ffmpeg } from '../support/programs.ts';

const SECONDS = 8;
const SIZE = '1280x720';
const THREADS = 2;
/** What the eye does not see. */
const SSIM_LOSS_MAX = 0.005;

/** From next to nothing to see to more than any table allows for. */
const SOURCES = [
  { name: 'slides, one every 2 s', graph: `mandelbrot=s=${SIZE}:rate=1/2:end_scale=0.02,fps=25` },
  { name: 'soft gradients in motion', graph: `gradients=s=${SIZE}:r=25:speed=0.02:n=6` },
  { name: 'zoom into fine detail', graph: `mandelbrot=s=${SIZE}:r=25:end_scale=0.05` },
  { name: 'test pattern in motion', graph: `testsrc2=s=${SIZE}:r=25` },
  { name: 'the same with film grain', graph: `testsrc2=s=${SIZE}:r=25,noise=alls=8:allf=t` },
  {
    name: 'cells, nearly noise',
    graph: `life=s=${SIZE}:r=25:mold=10:ratio=0.1:death_color=#204060:life_color=#ffffff`,
  },
] as const;

interface Quality {
  readonly height: number;
  readonly bps: number;
  /** With the source scaled to it. */
  readonly ssim: number;
  /** Scaled to the source's size, as it is looked at. */
  readonly shown: number;
}

/** Bits that a ladder made for the content saves against the ladder of the table, at the heights that both have. */
export async function benchContentAware(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'headend-content-aware-'));
  const lines = [
    `| ${SECONDS} s of ${SIZE}, \`ContentAwareEncoding\` against \`AdaptiveStreaming\` | bits saved at the same heights | bits saved at equal SSIM, shown at the size of the source | each height: kb/s and SSIM of the table's ladder → of the content's |`,
    '|---|---|---|---|',
  ];
  try {
    for (const [at, { name, graph }] of SOURCES.entries()) {
      const source = join(folder, `source-${at}.mp4`);
      await ffmpeg(
        ...['-y', '-f', 'lavfi', '-i', graph, '-t', String(SECONDS), '-pix_fmt', 'yuv420p'],
        ...['-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '8', '-g', '50', source],
      );
      const table = await qualities(source, 'AdaptiveStreaming', join(folder, `table-${at}`));
      const aware = await qualities(source, 'ContentAwareEncoding', join(folder, `aware-${at}`));
      lines.push(row(name, table, aware));
      process.stderr.write(`  ${lines.at(-1)}\n`);
    }
    return lines.join('\n');
  } finally {
    await rm(folder, { recursive: true });
  }
}

function row(name: string, table: readonly Quality[], aware: readonly Quality[]): string {
  const pairs = table.flatMap((fixed) => {
    const own = aware.find(({ height }) => height === fixed.height);
    return own === undefined ? [] : [{ fixed, own }];
  });
  const sum = (of: (pair: (typeof pairs)[number]) => Quality) =>
    pairs.reduce((all, pair) => all + of(pair).bps, 0);
  const saved = 1 - sum(({ own }) => own) / sum(({ fixed }) => fixed);
  const worst = Math.max(...pairs.map(({ fixed, own }) => fixed.ssim - own.ssim));
  const equal = `SSIM ${worst <= SSIM_LOSS_MAX ? 'equal' : 'lower'}: ${(-worst).toFixed(4)} at worst`;
  const text = (quality: Quality) => `${Math.round(quality.bps / 1000)} · ${quality.ssim.toFixed(4)}`;
  const details = pairs.map(({ fixed, own }) => `${fixed.height}: ${text(fixed)} → ${text(own)}`);
  return `| ${name} | ${percent(saved)}, ${equal}; ${aware.length} qualities for ${table.length} | ${percent(savedAtEqualSsim(table, aware))} | ${details.join('; ')} |`;
}

const percent = (share: number | undefined): string =>
  share === undefined ? '—' : `${Math.round(share * 100)} %`;

/** Mean over the qualities that look as some mixture of the table's does: undefined where none does. */
function savedAtEqualSsim(table: readonly Quality[], aware: readonly Quality[]): number | undefined {
  const shares = aware.flatMap((own) => {
    const needed = bpsFor(own.shown, table);
    return needed === undefined ? [] : [1 - own.bps / needed];
  });
  return shares.length === 0 ? undefined : shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

/** What a ladder spends on a SSIM, between its qualities by the logarithm of their bits. */
function bpsFor(wanted: number, ladder: readonly Quality[]): number | undefined {
  const rising = ladder.toSorted((left, right) => left.shown - right.shown);
  for (const [at, above] of rising.entries()) {
    const below = rising[at - 1];
    if (below === undefined || wanted < below.shown || wanted > above.shown) continue;
    const share = (wanted - below.shown) / (above.shown - below.shown);
    return Math.exp(Math.log(below.bps) * (1 - share) + Math.log(above.bps) * share);
  }
  return undefined;
}

async function qualities(
  source: string,
  presetName: BuiltInPreset['presetName'],
  at: string,
): Promise<readonly Quality[]> {
  const folder = await workingFolder(at, [source]);
  const plan = await planOf(source, presetName, folder);
  await carryOut(plan, folder);
  const found: Quality[] = [];
  for (const file of plan.files) {
    if (file.kind !== 'made') continue;
    const path = join(folder, file.path);
    const [stream] = await probeStreams(path);
    if (stream?.height === undefined) continue;
    found.push(await qualityOf(path, source, stream));
  }
  return found;
}

async function qualityOf(path: string, source: string, stream: ProbedStream): Promise<Quality> {
  const { height = 0, bitrateBps } = stream;
  return { height, bps: bitrateBps, ssim: await ssim(path, source), shown: await ssim(source, path) };
}

async function planOf(
  source: string,
  presetName: BuiltInPreset['presetName'],
  folder: string,
): Promise<EncodingPlan> {
  const clips = [sourceClip([await probeSource(source)])];
  const request = encodingRequest(builtIn(presetName), { clips, threads: THREADS });
  const analysis = contentAnalysis(request);
  if (analysis !== undefined) await runIn(folder, analysis.run);
  const analysisBytes = analysis && (await stat(join(folder, analysis.path))).size;
  const planned = planEncoding({ ...request, analysisBytes });
  if (planned.kind === 'refused') throw new Error(planned.message);
  return planned.plan;
}
