import type { PresentationIndex } from '../model/presentation.ts';
import { entityTagOf } from './entity-tag.ts';

const TEXTS_PER_INDEX_MAX = 600;

export interface ManifestText {
  readonly body: Uint8Array;
  readonly entityTag: string;
}

/** Manifests as text, one build per version of an index for any number of viewers. */
export class ManifestTexts {
  readonly #texts = new WeakMap<PresentationIndex, Map<string, ManifestText>>();

  get(index: PresentationIndex, name: string, write: () => string): ManifestText {
    const texts = this.#texts.get(index) ?? new Map<string, ManifestText>();
    this.#texts.set(index, texts);
    const known = texts.get(name);
    if (known !== undefined) return known;
    const body = Buffer.from(write());
    const text = { body, entityTag: entityTagOf(body) };
    if (texts.size < TEXTS_PER_INDEX_MAX) texts.set(name, text);
    return text;
  }
}
