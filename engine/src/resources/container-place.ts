/** Where the blobs of an asset are. Without a storage account they are in the engine's own. */
export interface ContainerPlace {
  readonly container: string;
  readonly storageAccountName?: string | undefined;
}

/** The place as one string, `{storage account}/{container}`, which the media plane passes on as it is. */
export function containerRef({ container, storageAccountName }: ContainerPlace): string {
  return storageAccountName === undefined ? container : `${storageAccountName}/${container}`;
}

/** Neither a storage account's nor a container's name has a slash in it. */
export function parseContainerRef(ref: string): ContainerPlace {
  const slash = ref.indexOf('/');
  if (slash < 0) return { container: ref };
  return { storageAccountName: ref.slice(0, slash), container: ref.slice(slash + 1) };
}
