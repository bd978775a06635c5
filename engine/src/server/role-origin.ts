import { startOrigin } from '../delivery/origin.ts';
import { writeMpd } from '../packager/dash-packager.ts';
import { createOwnershipReader, createRecordingReader } from '../store/recording-reader.ts';
import type { RoleDeps, RunningRole } from './role.ts';

const ENDPOINT_NAME = 'default';

/** The streaming endpoint's process: serves what is published and the previews. Port name: `streaming`. */
export async function startOriginRole(deps: RoleDeps): Promise<RunningRole> {
  const { config, log, deliveryDirectory } = deps;
  const storage = config.storage.reveal();
  const origin = await startOrigin({
    port: config.ports.streaming,
    host: config.bindAddress,
    endpointName: ENDPOINT_NAME,
    directory: deliveryDirectory,
    recordings: createRecordingReader(storage),
    ownership: createOwnershipReader(storage),
    writeMpd,
    clock: { nowMs: () => Date.now() },
    log,
  });
  return { ports: { streaming: origin.port }, close: origin.close };
}
