import type { BuiltInPreset } from './encoding-request.ts';
import { adaptiveLadder, type Rung } from './ladders.ts';
import type { Survey } from './survey.ts';

interface ContentAware {
  readonly codec: 'h264' | 'h265';
  readonly analysisBytes: number | undefined;
  readonly configurations: BuiltInPreset['configurations'];
}

export function contentAwareRungs(
  _survey: Survey,
  pictures: NonNullable<Survey['pictures']>,
  { codec }: ContentAware,
): readonly Rung[] {
  return adaptiveLadder(codec, pictures);
}
