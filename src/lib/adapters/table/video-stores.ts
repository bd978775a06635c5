import { type Import, type ImportItem, itemKeyOf } from '../../domain/import.ts';
import type { Video } from '../../domain/video.ts';
import { as, type JsonTable, type PageOptions, pageOf } from './json-table.ts';

const VIDEOS = 'videos';
const UPLOADS = 'uploads';
const IMPORTS = 'imports';

export const videoStore = (rows: JsonTable) => ({
  async find(name: string): Promise<{ value: Video; etag: string } | undefined> {
    const found = await rows.find(VIDEOS, name);
    return found === undefined ? undefined : as<Video>(found);
  },
  save: (video: Video, etag: string | undefined) => rows.save([VIDEOS, video.name], video, etag),
  remove: (name: string, etag: string) => rows.remove([VIDEOS, name], etag),
  page: (options: PageOptions) => pageOf<Video>(rows, VIDEOS, options),
});

export const uploadIndex = (rows: JsonTable) => ({
  put: (container: string, video: string) => rows.put([UPLOADS, container], { video }),
  async find(container: string): Promise<string | undefined> {
    const found = await rows.find(UPLOADS, container);
    return found === undefined ? undefined : as<{ video: string }>(found).value.video;
  },
  async remove(container: string): Promise<void> {
    await rows.remove([UPLOADS, container]);
  },
});

/** An item is a row of its own: hundreds of them do not fit into one. */
export const importStore = (rows: JsonTable) => {
  const itemsOf = (id: string): string => `import!${id}`;
  return {
    async find(id: string): Promise<{ value: Import; etag: string } | undefined> {
      const found = await rows.find(IMPORTS, id);
      return found === undefined ? undefined : as<Import>(found);
    },
    save: (value: Import, etag: string | undefined) => rows.save([IMPORTS, value.id], value, etag),
    remove: (id: string, etag: string) => rows.remove([IMPORTS, id], etag),
    page: (options: PageOptions) => pageOf<Import>(rows, IMPORTS, options),
    async items(id: string): Promise<readonly ImportItem[]> {
      return (await rows.list(itemsOf(id))).map((row) => as<ImportItem>(row).value);
    },
    saveItem: (id: string, item: ImportItem) => rows.put([itemsOf(id), itemKeyOf(item)], item),
    async removeItem(id: string, item: Pick<ImportItem, 'number'>): Promise<void> {
      await rows.remove([itemsOf(id), itemKeyOf(item)]);
    },
  };
};
