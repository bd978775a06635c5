import { type Import, type ImportItem, itemKeyOf } from '../../src/lib/domain/import.ts';
import type { Video } from '../../src/lib/domain/video.ts';
import type { DueIndex } from '../../src/lib/workflows/stores.ts';
import type { ImportStore, UploadIndex, VideoStore } from '../../src/lib/workflows/video-ports.ts';
import { documents, pageOf } from './memory-documents.ts';

type Crashable = <A extends unknown[], R>(work: (...args: A) => R) => (...args: A) => Promise<R>;

/** What the app stores of videos and imports, in memory. */
export function memoryVideoStores({
  crashable,
  dueIndex,
}: {
  crashable: Crashable;
  dueIndex: (rows: Map<string, number>) => DueIndex;
}) {
  const videoRows = documents<Video>();
  const importRows = documents<Import>();
  const itemRows = new Map<string, ImportItem>();
  const uploadRows = new Map<string, string>();
  const videoDueRows = new Map<string, number>();
  const videos: VideoStore = {
    find: crashable((name) => videoRows.find(name)),
    save: crashable((video, etag) => videoRows.save(video.name, video, etag)),
    remove: crashable((name, etag) => videoRows.remove(name, etag)),
    page: crashable((options) =>
      pageOf(
        [...videoRows.rows.values()].map(({ value }) => value),
        ({ name }) => name,
        options,
      ),
    ),
  };
  const uploadIndex: UploadIndex = {
    put: crashable((container, video) => void uploadRows.set(container, video)),
    find: crashable((container) => uploadRows.get(container)),
    remove: crashable((container) => void uploadRows.delete(container)),
  };
  const imports: ImportStore = {
    find: crashable((id) => importRows.find(id)),
    save: crashable((value, etag) => importRows.save(value.id, value, etag)),
    remove: crashable((id, etag) => importRows.remove(id, etag)),
    page: crashable((options) =>
      pageOf(
        [...importRows.rows.values()].map(({ value }) => value),
        ({ id }) => id,
        options,
      ),
    ),
    items: crashable((id) =>
      [...itemRows]
        .filter(([key]) => key.startsWith(`${id}!`))
        .map(([, item]) => item)
        .sort((a, b) => a.number - b.number),
    ),
    saveItem: crashable((id, item) => void itemRows.set(`${id}!${itemKeyOf(item)}`, structuredClone(item))),
    removeItem: crashable((id, item) => void itemRows.delete(`${id}!${itemKeyOf(item)}`)),
  };
  return {
    videos,
    uploadIndex,
    videoDue: dueIndex(videoDueRows),
    imports,
    importDue: dueIndex(new Map()),
    videoRows,
    uploadRows,
    videoDueRows,
    itemRows,
  };
}
