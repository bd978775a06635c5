/** Server and client manifests and what they need: read by the service, not by those who download. */
const OF_THE_SERVICE = /\.(?:ism|ismc|mpi)$/i;
const FILE_NAME_CHARS_MAX = 1024;

/** Whether a file of an asset can be downloaded: those in the root of its container, and none that a manifest is made of. */
export function isDownloadable(fileName: string): boolean {
  return (
    fileName.length > 0 &&
    fileName.length <= FILE_NAME_CHARS_MAX &&
    !/[/\\]|^\.\.?$/.test(fileName) &&
    !OF_THE_SERVICE.test(fileName)
  );
}

const SERVER_MANIFEST = /^([^/]+)\.ism$/;

/** Of the files in the root of a container, the names of server manifests without their extension. */
export function manifestNamesIn(fileNames: readonly string[]): readonly string[] {
  return fileNames.flatMap((fileName) => SERVER_MANIFEST.exec(fileName)?.slice(1) ?? []);
}

const CONTENT_TYPES: ReadonlyMap<string, string> = new Map([
  ['mp4', 'video/mp4'],
  ['m4v', 'video/mp4'],
  ['m4a', 'audio/mp4'],
  ['aac', 'audio/aac'],
  ['mp3', 'audio/mpeg'],
  ['wav', 'audio/wav'],
  ['mov', 'video/quicktime'],
  ['mkv', 'video/x-matroska'],
  ['webm', 'video/webm'],
  ['ts', 'video/mp2t'],
  ['jpg', 'image/jpeg'],
  ['jpeg', 'image/jpeg'],
  ['png', 'image/png'],
  ['bmp', 'image/bmp'],
  ['vtt', 'text/vtt; charset=utf-8'],
  ['ttml', 'application/ttml+xml'],
  ['json', 'application/json'],
  ['txt', 'text/plain; charset=utf-8'],
  ['csv', 'text/csv; charset=utf-8'],
]);

/** By the extension; nothing that a browser would run, whatever its owner put there. */
export function contentTypeOf(fileName: string): string {
  const extension = fileName.slice(fileName.lastIndexOf('.') + 1).toLowerCase();
  return CONTENT_TYPES.get(extension) ?? 'application/octet-stream';
}
